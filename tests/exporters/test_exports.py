"""What `fit` writes for others, read back with the software of others."""

import builtins
import csv
import json
import subprocess
from pathlib import Path

import ezc3d
import numpy as np
import pytest
from simulated import RATE, rig, walk, write_session

from streamfit.cli.fit import fit_session
from streamfit.errors import InputError
from streamfit.exporters.c3d import write_c3d
from streamfit.exporters.dataframe import columns, write_csv
from streamfit.model import KeypointSet, Skeleton

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")
RrdReader = pytest.importorskip("rerun.chunk").RrdReader
OPENSIM = Path(__file__).parents[2] / ".venv-opensim" / "bin" / "python"
HELPER = Path(__file__).parents[1] / "support" / "opensim_reads.py"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, skeleton: Skeleton, keypoints: KeypointSet) -> Path:
    """The files of a fit to two seconds of a walk."""
    folder = tmp_path_factory.mktemp("exports")
    session = write_session(folder / "walk.mcap", rig(), keypoints, walk(skeleton, keypoints, 2.0))
    fit_session(session, folder / "out", stature=1.8, exports=("c3d", "csv", "parquet", "rrd"))
    return folder / "out"


def mot(path: Path) -> tuple[list[str], np.ndarray]:
    header, values = path.read_text().split("endheader\n")
    assert "inDegrees=yes" in header
    names, *rows = values.splitlines()
    return names.split("\t"), np.array([row.split("\t") for row in rows], float)


def trc(path: Path) -> np.ndarray:
    return np.array([row.split("\t")[2:] for row in path.read_text().splitlines()[6:]], float)


@pytest.mark.skipif(not OPENSIM.is_file(), reason="benchmarks/speed/opensim_env.sh has not been run")
@pytest.mark.slow
def test_opensim_plays_the_motion_on_the_model_and_finds_our_keypoints(fitted: Path) -> None:
    done = subprocess.run([OPENSIM, HELPER, fitted], capture_output=True, text=True, check=True)
    apart = json.loads(done.stdout.splitlines()[-1])
    assert apart["kinematics"] < 1e-5
    assert apart["smoothed"] < 0.2  # another motion: what was known 0.1 s later
    assert apart["inverse kinematics"] < 1e-3


def test_a_c3d_holds_points_angles_and_their_times(fitted: Path, keypoints: KeypointSet) -> None:
    file = ezc3d.c3d(str(fitted / "motion.c3d"))
    names, rows = mot(fitted / "kinematics.mot")
    point, analog = file["parameters"]["POINT"], file["parameters"]["ANALOG"]
    assert point["UNITS"]["value"] == ["mm"]
    assert point["RATE"]["value"][0] == pytest.approx(RATE)
    assert point["LABELS"]["value"] == list(keypoints.names)
    assert analog["LABELS"]["value"] == names[1:]
    assert set(analog["UNITS"]["value"]) == {"deg", "m"}
    points = file["data"]["points"][:3].transpose(2, 1, 0)
    np.testing.assert_allclose(points, 1000 * trc(fitted / "keypoints.trc").reshape(points.shape), atol=0.01)
    np.testing.assert_allclose(file["data"]["analogs"][0].T, rows[:, 1:], atol=1e-3)


def test_events_and_gaps_of_a_c3d(tmp_path: Path) -> None:
    t = 100.0 + np.arange(7000) / 100.0
    points = np.full((7000, 2, 3), 0.5)
    points[10:20, 1] = np.nan
    events = [
        {"event": "foot_strike", "side": "right", "t": 100.25},
        {"event": "foot_off", "side": "left", "t": 165.5},
    ]
    write_c3d(tmp_path / "a.c3d", t, points, ["a", "b c"], np.ones((7000, 1)), ["knee"], ["rad"], events)
    file = ezc3d.c3d(str(tmp_path / "a.c3d"))
    event = file["parameters"]["EVENT"]
    assert event["CONTEXTS"]["value"] == ["Right", "Left"]
    assert event["LABELS"]["value"] == ["Foot Strike", "Foot Off"]
    np.testing.assert_allclose(event["TIMES"]["value"], [[0.0, 1.0], [0.25, 5.5]], atol=1e-6)
    assert file["parameters"]["MANUFACTURER"]["FIRST_TIME"]["value"][0] == 100.0
    missing = np.isnan(file["data"]["points"][0]) | (file["data"]["meta_points"]["residuals"][0] < 0)
    assert missing[1, 10:20].all()
    assert missing.sum() == 10
    assert file["parameters"]["POINT"]["LABELS"]["value"] == ["a", "b_c"]


def test_tables_say_their_units(fitted: Path) -> None:
    names, rows = mot(fitted / "kinematics.mot")
    table = pyarrow.parquet.read_table(fitted / "kinematics.parquet")
    assert table.column_names[:3] == ["t", "state", names[1] + "_m"]
    np.testing.assert_allclose(table["t"].to_numpy(), rows[:, 0], atol=1e-7)
    for k, name in enumerate(names[1:], start=1):
        unit = "m" if name.startswith("pelvis_t") and name != "pelvis_tilt" else "deg"
        np.testing.assert_allclose(table[f"{name}_{unit}"].to_numpy(), rows[:, k], atol=1e-7)
        assert (table[f"{name}_{unit}_sd"].to_numpy() > 0).all()
    with (fitted / "kinematics.csv").open() as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == table.column_names
    assert {row["state"] for row in read} == {"tracking"}
    assert float(read[7]["knee_angle_r_deg"]) == pytest.approx(table["knee_angle_r_deg"][7].as_py())


def test_rerun_shows_where_all_was_and_when(fitted: Path, keypoints: KeypointSet) -> None:
    chunks = {}
    for chunk in RrdReader(fitted / "motion.rrd").stream():
        chunks.setdefault((chunk.entity_path, chunk.is_static), pyarrow.table(chunk.to_record_batch()))
    names, rows = mot(fitted / "kinematics.mot")
    points = chunks["/keypoints", False]
    places = np.array(points["Points3D:positions"].to_pylist())
    np.testing.assert_allclose(places, trc(fitted / "keypoints.trc").reshape(places.shape), atol=1e-5)
    times = points["capture_time"].cast(pyarrow.int64()).to_numpy() * 1e-9
    np.testing.assert_allclose(times, rows[:, 0], atol=1e-6)
    knee = np.array(chunks["/angles/knee_angle_r", False]["Scalars:scalars"].to_pylist())
    np.testing.assert_allclose(knee[:, 0], rows[:, names.index("knee_angle_r")], atol=1e-6)
    assert np.all((knee[:, 1] < knee[:, 0]) & (knee[:, 0] < knee[:, 2]))
    assert {f"/cameras/{camera.name}/seen" for camera in rig().cameras} <= {path for path, _ in chunks}
    # the skeleton, seen through a camera as Rerun does it, lies on what that camera saw
    camera, entity = rig().cameras[0], f"/cameras/{rig().cameras[0].name}"
    lens = chunks[entity, True]
    turn = np.array(lens["Transform3D:mat3x3"].to_pylist()[0][0]).reshape(3, 3).T
    origin = np.array(lens["Transform3D:translation"].to_pylist()[0][0])
    image = (places[50] - origin) @ turn @ camera.matrix.T
    seen = np.array(chunks[f"{entity}/seen", False]["Points2D:positions"].to_pylist()[50])
    assert np.median(np.linalg.norm(image[:, :2] / image[:, 2:] - seen, axis=1)) < 30.0


def test_what_is_not_known_is_empty(tmp_path: Path) -> None:
    one = np.array([[1.0]])
    table = columns(np.array([0.5]), one, np.nan * one, np.array(["lost"], object), ["knee"], ["rad"])
    write_csv(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text() == "t,state,knee_deg,knee_deg_sd\n0.5,lost,57.2957795,\n"


def test_unknown_formats_and_missing_packages_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skeleton: Skeleton, keypoints: KeypointSet
) -> None:
    session = write_session(tmp_path / "walk.mcap", rig(), keypoints, walk(skeleton, keypoints, 0.1))
    with pytest.raises(InputError, match="'xls' is not one of c3d, csv, parquet, rrd"):
        fit_session(session, tmp_path / "out", exports=("xls",))
    assert not (tmp_path / "out").exists()
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name.startswith("ezc3d"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr("streamfit.extras.import_module", lambda name: without(name))
    with pytest.raises(InputError, match=r"pip install 'streamfit\[c3d\]'"):
        write_c3d(tmp_path / "a.c3d", np.zeros(1), np.zeros((1, 1, 3)), ["a"], np.zeros((1, 0)), [], [], [])
