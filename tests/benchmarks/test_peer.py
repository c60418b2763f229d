"""OpenSim, where it is installed, finds our skeleton in our model."""

import pytest

from benchmarks.speed.peer import PYTHON, measure_peer


@pytest.mark.skipif(not PYTHON.is_file(), reason="benchmarks/speed/opensim_env.sh has not been run")
def test_opensim_has_our_markers_and_finds_the_simulated_angles() -> None:
    peer = measure_peer(2)
    assert peer.model_mm < 0.01
    assert peer.legs_deg < 4.0
