# Everything from a fresh clone: each target makes its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
PREFIX ?= /opt/streamfit
UNITS = $(DESTDIR)/etc/systemd/system

PYTEST = $(VENV)/bin/python -m pytest

.PHONY: demo docs lint test test-all clean install-service install-units

demo: $(VENV)/.installed-dev
	$(VENV)/bin/streamfit demo

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Some minutes. What is left out needs time, other software or the machine to itself.
test: lint
	$(PYTEST) -n 2 --dist loadscope -m "not slow and not alone"

test-all: $(VENV)/.installed-all .venv-opensim/.installed lint
	$(VENV)/bin/mkdocs build --quiet --strict
	$(PYTEST) -n 2 --dist loadscope -m "not alone"
	$(PYTEST) -m alone

docs: $(VENV)/.installed-all
	$(VENV)/bin/mkdocs serve

# What is installed is compiled when it is first imported, which is sooner than all of it at once.
$(VENV)/.installed-dev $(VENV)/.installed-all: $(VENV)/.installed-%: pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	PIP_NO_COMPILE=1 $(VENV)/bin/python -m pip install --quiet --editable '.[$*]'
	touch $@

# What some tests compare with.
.venv-opensim/.installed: benchmarks/speed/opensim_env.sh
	PYTHON=$(PYTHON) benchmarks/speed/opensim_env.sh && touch $@ || echo "no OpenSim here: what compares with it is skipped"

# As root: the program in PREFIX, systemd's units for it, their user, and an example in /etc/streamfit.
install-service: install-units
	$(PYTHON) -m venv $(PREFIX)
	$(PREFIX)/bin/python -m pip install --quiet .
	systemd-sysusers /etc/sysusers.d/streamfit.conf
	systemctl daemon-reload

install-units:
	install -d $(UNITS) $(DESTDIR)/etc/sysusers.d $(DESTDIR)/etc/streamfit
	install -m 644 systemd/sysusers.conf $(DESTDIR)/etc/sysusers.d/streamfit.conf
	for unit in streamfit.service streamfit@.service; do \
		sed 's|/opt/streamfit/|$(PREFIX)/|' systemd/$$unit > $(UNITS)/$$unit && chmod 644 $(UNITS)/$$unit || exit 1; \
	done
	for example in room.toml cameras.toml; do \
		test -e $(DESTDIR)/etc/streamfit/$$example || \
			install -m 644 configs/$$example $(DESTDIR)/etc/streamfit/$$example || exit 1; \
	done

clean:
	rm -rf $(VENV) .venv-opensim .venv-mediapipe
