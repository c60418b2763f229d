# Everything from a fresh clone: each target makes its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
PREFIX ?= /opt/streamfit
UNITS = $(DESTDIR)/etc/systemd/system

# Tests of what must keep up with real time: beside others they would tell of the machine.
ALONE = tests/daemon tests/benchmarks tests/test_readme.py tests/tools/test_replay.py

.PHONY: demo docs test clean install-service install-units

demo: $(VENV)/.installed
	$(VENV)/bin/streamfit demo

test: $(VENV)/.installed .venv-opensim/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mkdocs build --quiet --strict
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal $(ALONE:%=--ignore=%)
	$(VENV)/bin/python -m pytest $(ALONE)

docs: $(VENV)/.installed
	$(VENV)/bin/mkdocs serve

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
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
