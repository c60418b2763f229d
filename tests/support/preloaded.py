"""What the process that others are forked from has imported."""

from streamfit.jax_runtime import single_threaded

single_threaded()

import fake_daemon  # noqa: E402, F401
import forked  # noqa: E402, F401

import streamfit.cli.main  # noqa: E402
import streamfit.estimation.live.tracker  # noqa: E402, F401
