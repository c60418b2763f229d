#!/usr/bin/env bash
# Makes .venv-opensim, with which benchmarks/speed/engine.py compares: OpenSim is no dependency of streamfit.
set -euo pipefail
cd "$(dirname "$0")/../.."
"${PYTHON:-python3}" -m venv .venv-opensim
.venv-opensim/bin/python -m pip install --quiet opensim==4.6
