"""OpenSim's files parse back to what was written, uniform in time."""

from pathlib import Path

import numpy as np

from streamfit.exporters.opensim import write_mot, write_trc
from streamfit.recording.sampling import segments, uniform


def parse_mot(path: Path) -> tuple[dict[str, str], list[str], np.ndarray]:
    lines = path.read_text().splitlines()
    end = lines.index("endheader")
    header = dict(line.split("=") for line in lines[1:end])
    rows = [[float(value) for value in line.split("\t")] for line in lines[end + 2 :]]
    return header, lines[end + 1].split("\t"), np.array(rows)


def test_mot_holds_degrees_and_metres(tmp_path: Path) -> None:
    t = 5.0 + np.arange(20) / 100
    q = np.column_stack([np.sin(t), t * 0.1])
    write_mot(tmp_path / "kinematics.mot", t, q, ["pelvis_tilt", "pelvis_tx"], ["rad", "m"])
    header, columns, rows = parse_mot(tmp_path / "kinematics.mot")
    assert header == {"version": "1", "nRows": "20", "nColumns": "3", "inDegrees": "yes"}
    assert columns == ["time", "pelvis_tilt", "pelvis_tx"]
    np.testing.assert_allclose(rows[:, 0], t, atol=1e-8)
    np.testing.assert_allclose(rows[:, 1], np.degrees(q[:, 0]), atol=1e-7)
    np.testing.assert_allclose(rows[:, 2], q[:, 1], atol=1e-7)


def test_times_become_uniform_by_interpolation() -> None:
    """Jittered and missing instants of a known motion: the error is that of a straight line."""
    rng = np.random.default_rng(0)
    t = np.arange(200) / 50 + rng.uniform(-0.002, 0.002, 200)
    t = np.delete(t, [60, 61, 62, 140])
    grid, values = uniform(t, np.sin(2 * t)[:, None])
    np.testing.assert_allclose(np.diff(grid), np.diff(grid)[0], rtol=1e-9)
    assert abs(np.diff(grid)[0] - 0.02) < 2e-4
    assert (grid[0], grid[-1]) == (t[0], t[-1])
    np.testing.assert_allclose(values[:, 0], np.sin(2 * grid), atol=4 * 0.09**2 / 8)


def test_times_rounded_to_microseconds_move_by_no_more_than_that() -> None:
    t = np.round(np.arange(100) / 60, 6)
    grid, values = uniform(t, t[:, None])
    assert len(grid) == 100
    np.testing.assert_allclose(grid, t, atol=1.1e-6)
    np.testing.assert_allclose(values[:, 0], grid, atol=1e-9)


def test_one_instant_and_none(tmp_path: Path) -> None:
    for count in (0, 1):
        path = tmp_path / f"{count}.mot"
        write_mot(path, np.full(count, 0.5), np.zeros((count, 1)), ["pelvis_tilt"], ["rad"])
        assert len(path.read_text().splitlines()) == 7 + count
        write_trc(tmp_path / f"{count}.trc", np.full(count, 0.5), np.zeros((count, 2, 3)), ["a", "b"])
        assert len((tmp_path / f"{count}.trc").read_text().splitlines()) == 6 + count


def test_trc_holds_points_in_the_unit_it_says(tmp_path: Path) -> None:
    t = np.arange(4) / 50
    points = np.arange(24, dtype=float).reshape(4, 2, 3) / 10
    points[1, 1] = np.nan
    for unit, factor in (("m", 1.0), ("mm", 1000.0)):
        write_trc(tmp_path / "keypoints.trc", t, points, ["left knee", "nose"], unit)
        lines = (tmp_path / "keypoints.trc").read_text().splitlines()
        fields = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
        assert fields["Units"] == unit
        assert (fields["NumFrames"], fields["NumMarkers"], float(fields["DataRate"])) == ("4", "2", 50.0)
        assert [name for name in lines[3].split("\t") if name] == ["Frame#", "Time", "left_knee", "nose"]
        assert lines[4].split("\t") == ["", "", "X1", "Y1", "Z1", "X2", "Y2", "Z2"]
        rows = [line.split("\t") for line in lines[6:]]
        assert [row[0] for row in rows] == ["1", "2", "3", "4"]
        assert rows[1][5:] == ["", "", ""]
        values = np.array([[float(value or "nan") for value in row[2:]] for row in rows])
        np.testing.assert_allclose(values, factor * points.reshape(4, 6), atol=1e-6, equal_nan=True)


def test_a_gap_stays_a_gap_however_long(tmp_path: Path) -> None:
    t = np.concatenate([np.arange(40) / 25, 1.78e9 + np.arange(40) / 25])
    grid, values = uniform(t, t[:, None])
    np.testing.assert_allclose(grid, t)
    np.testing.assert_allclose(values[:, 0], t)
    write_mot(tmp_path / "k.mot", t, t[:, None], ["pelvis_tx"], ["m"])
    header, _, rows = parse_mot(tmp_path / "k.mot")
    assert (header["nRows"], len(rows)) == ("80", 80)
    write_trc(tmp_path / "k.trc", t, np.zeros((80, 1, 3)), ["a"])
    lines = (tmp_path / "k.trc").read_text().splitlines()
    fields = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert (len(lines), fields["NumFrames"], float(fields["DataRate"])) == (86, "80", 25.0)


def test_a_slow_recording_has_no_gaps_of_its_own() -> None:
    t = np.delete(np.arange(20) / 3, 7)
    assert [part.start for part in segments(t)] == [0]
    assert len(uniform(t, t[:, None])[0]) == 20
