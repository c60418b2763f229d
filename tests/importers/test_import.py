"""`streamfit import`: a folder of OpenPose's files, marker sets, and real files of a package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from streamfit.cli.main import cli
from streamfit.errors import InputError
from streamfit.importers.detections.openpose import read_people
from streamfit.importers.marker_sets import read_markers
from streamfit.model import KeypointSet
from streamfit.model.camera import Rig
from streamfit.recording.mcap_file import read_session

TOOL = Path(__file__).parents[2] / "tools" / "fetch_pose2sim.py"


@pytest.fixture
def project(openpose, rig: Rig, tmp_path) -> Path:
    """As Pose2Sim lays it out; so deep that nothing of other tests is within the three folders above."""
    above = tmp_path / "of" / "project"
    folder = above / "Trial_1"
    shutil.copytree(openpose[0], folder)
    (above / "calibration").mkdir()
    (above / "calibration" / "Calib.toml").write_text(Rig(rig.cameras[:3]).to_toml())
    (above / "Config.toml").write_text('[project]\nframe_rate = 50\n[pose]\npose_model = "COCO_133"\n')
    (folder / "Config.toml").write_text('[pose]\npose_model = "COCO_17"\n')
    return folder


def test_a_project_becomes_a_session(project, openpose, rig, tmp_path, imported, messages):
    output = tmp_path / "walk.mcap"
    assert "4 instants at 50 Hz, coco17, 3 cameras" in imported(project, "-o", output)
    session, seen = read_session(output), openpose[1]
    assert Rig.from_toml(session.cameras_toml).names == ("cam_0", "cam_1", "cam_2")
    assert KeypointSet.from_toml(session.keypoints_toml).name == "coco17"
    found = messages(output)
    assert [(m.session, m.t, m.frame) for m in found] == [("walk", 0.02 * i, 5 + i) for i in range(4)]
    for i, message in enumerate(found):
        views = {view.camera: view.xyc for view in message.views}
        assert set(views) == {f"cam_{c}" for c in range(3) if (i, c) != (2, 1)}
        for camera, xyc in views.items():
            np.testing.assert_allclose(xyc, seen[i, int(camera[-1])], rtol=1e-6)


def test_what_is_not_known_is_asked_for(project, rig, tmp_path, refused):
    (project / "Config.toml").unlink()
    (project.parent / "Config.toml").unlink()
    assert "--fps" in refused(project)
    assert "--keypoints" in refused(project, "--fps", 50)
    assert "halpe26 has 26" in refused(project, "--fps", 50, "--keypoints", "halpe26")
    assert "Trial_1" in refused(project.parent)
    assert "there are cam0_json" in refused(project, "--fps", 50, "--map", "x=cam_0")
    assert "'nobody' is not in the calibration" in refused(project, "--fps", 50, "--map", "cam0_json=nobody")
    (project.parent / "calibration" / "Calib.toml").write_text(Rig(rig.cameras).to_toml())
    assert "--map FOLDER=CAMERA" in refused(project, "--fps", 50, "--keypoints", "coco17")
    shutil.rmtree(project.parent / "calibration")
    assert "--calibration" in refused(project, "--fps", 50)
    assert "no such" in refused(tmp_path / "nothing")


def test_folders_can_be_mapped(project, openpose, rig, tmp_path, imported, messages):
    output = tmp_path / "mapped.mcap"
    imported(project, "--map", "cam0_json=cam_2", "--map", "cam2_json=cam_0", "-o", output)
    views = {view.camera: view.xyc for view in messages(output)[0].views}
    assert set(views) == {"cam_0", "cam_2"}
    np.testing.assert_allclose(views["cam_2"], openpose[1][0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"people": 3}', '{"people": [{"x": 1}]}', '{"people": [{"pose_keypoints_2d": [1, 2]}]}', "\udcff"],
)
def test_damaged_files_are_one_line(tmp_path, text):
    path = tmp_path / "a_000000000001_keypoints.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="a_000000000001_keypoints"):
        read_people(path)


def test_confidences_above_one_and_missing_ones_are_brought_into_range(tmp_path):
    path = tmp_path / "a_1.json"
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": [1, 2, 1.07, 3, 4, float("nan")]}]}))
    np.testing.assert_array_equal(read_people(path)[0, :, 2], [1.0, 0.0])


def test_a_calibration_becomes_cameras_toml_and_nothing_is_overwritten(project, tmp_path, imported):
    output = tmp_path / "cameras.toml"
    imported(project.parent / "calibration" / "Calib.toml", "-o", output, "--up", "-y")
    assert Rig.load(output).up == "-y"
    result = CliRunner().invoke(cli, ["import", str(project.parent / "calibration" / "Calib.toml"), "-o", str(output)])
    assert "exists already" in str(result.exception)


OSIM = """<OpenSimDocument><Model><BodySet><objects>
<Body name="femur_r"><attached_geometry><Mesh><scale_factors>1.1 1.2 1.3</scale_factors></Mesh></attached_geometry>
</Body>
<Body name="pelvis"/></objects></BodySet><MarkerSet><objects>
<Marker name="RKNE"><socket_parent_frame>/bodyset/femur_r</socket_parent_frame><location>0.11 -0.48 0.013</location>
</Marker>
<Marker name="SACR"><body>pelvis</body><location> -0.15 0.01 0 </location></Marker>
<Marker name="HAT"><socket_parent_frame>/bodyset/hat</socket_parent_frame><location>0 0 0</location></Marker>
</objects></MarkerSet></Model></OpenSimDocument>"""


def test_the_markers_of_a_model_are_a_keypoint_set(tmp_path, imported):
    path, output = tmp_path / "lab.osim", tmp_path / "lab.toml"
    path.write_text(OSIM)
    assert "left out: HAT: it is on 'hat'" in imported(path, "-o", output)
    found = KeypointSet.load(output)
    assert (found.name, found.names, found.bodies) == ("lab", ("RKNE", "SACR"), ("femur_r", "pelvis"))
    np.testing.assert_allclose(found.positions, [[0.1, -0.4, 0.01], [-0.15, 0.01, 0.0]])


def test_the_names_of_a_trc_are_looked_up_in_the_built_in_markers(tmp_path, skeleton):
    known = KeypointSet.load("movi87")
    path = tmp_path / "walk.trc"
    names = [known.names[3], "nobody", known.names[0].upper()]
    path.write_text("PathFileType\t4\n\n\nFrame#\tTime\t" + "\t\t\t".join(names) + "\n")
    found = read_markers(path, skeleton)
    assert found.left_out.keys() == {"nobody"}
    np.testing.assert_array_equal(found.keypoints.positions, known.positions[[3, 0]])


@pytest.fixture(scope="module")
def balance(tmp_path_factory) -> Path:
    """A real project, fetched by the name of its package."""
    folder = tmp_path_factory.mktemp("fetched") / "balance"
    done = subprocess.run([sys.executable, str(TOOL), "detections", "-o", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"the package with the recording cannot be fetched: {done.stderr.strip()[-200:]}")
    return folder / "S00_P00_SingleParticipant" / "S00_P00_T01_BalancingTrial"


def test_a_real_project_is_the_recording_that_was_made_of_it(balance, recordings, tmp_path, imported, messages):
    output = tmp_path / "balance.mcap"
    imported(balance, "-o", output)
    known = recordings / "real_a_balance.mcap"
    ours, theirs = (Rig.from_toml(read_session(path).cameras_toml) for path in (output, known))
    for one, other in zip(ours.cameras, theirs.cameras, strict=True):
        assert (one.name, one.size) == (other.name, other.size)
        for field in ("matrix", "distortions", "rotation", "translation"):
            np.testing.assert_allclose(getattr(one, field), getattr(other, field), atol=1e-9)
    views = [
        [{view.camera: view.xyc for view in message.views} for message in messages(path)] for path in (output, known)
    ]
    same = [np.allclose(a[c], b[c], atol=1e-3) for a, b in zip(*views, strict=True) for c in b]
    assert len(same) == 400
    assert np.mean(same) > 0.99  # in one picture another person is a little clearer


def test_a_real_project_is_imported_whole(balance, tmp_path, imported):
    assert "100 instants at 60 Hz, body25b, 4 cameras" in imported(balance, "-o", tmp_path / "balance.mcap")
