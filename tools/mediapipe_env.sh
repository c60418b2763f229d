#!/usr/bin/env bash
# Makes .venv-mediapipe for tools/detect_mediapipe.py: MediaPipe wants another NumPy than the daemon.
set -euo pipefail
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m venv .venv-mediapipe
.venv-mediapipe/bin/python -m pip install --quiet 'mediapipe==0.10.14' 'numpy<2' 'pyzmq>=26.2' 'msgpack>=1.1' 'click>=8.1'
.venv-mediapipe/bin/python -m pip install --quiet --no-deps --editable .  # its client alone
