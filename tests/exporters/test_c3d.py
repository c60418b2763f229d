"""C3D knows no gaps in time: what lies apart follows, and the file says where."""

from pathlib import Path

import numpy as np
import pytest

from streamfit.exporters.c3d import write_c3d


def test_segments_follow_each_other(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    t = np.concatenate([2.0 + np.arange(40) / 25, 3700.0 + np.arange(40) / 25])
    points = np.repeat(t[:, None, None], 3, axis=2) / 1000.0
    events = [{"t": at, "side": "left", "event": "foot_strike"} for at in (2.4, 3700.2)]
    write_c3d(tmp_path / "m.c3d", t, points, ["a"], t[:, None] / 1000.0, ["x"], ["m"], events)
    file = ezc3d.c3d(str(tmp_path / "m.c3d"))
    assert file["data"]["points"].shape[2] == 80
    np.testing.assert_allclose(file["data"]["points"][0, 0], t, rtol=1e-5)
    own, event = file["parameters"]["MANUFACTURER"], file["parameters"]["EVENT"]
    assert own["SEGMENT_FRAMES"]["value"].tolist() == [1, 41]
    np.testing.assert_allclose(own["SEGMENT_TIMES"]["value"], [2.0, 3700.0])
    np.testing.assert_allclose(event["TIMES"]["value"], [[0.0, 0.0], [0.4, 1.6 + 0.2]], atol=1e-5)
