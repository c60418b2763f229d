"""The command line as people and scripts meet it: real processes, exit codes and single lines."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from forked import streamfit
from simulated import SCALE, Walk, rig, walk, write_session

from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.mcap_file import SessionWriter

COMMANDS = ("serve", "calibrate", "fit", "evaluate", "keys", "demo", "repair", "import", "rig", "completion")
IN_MM = """[{name}]
name = "{name}"
size = [1280, 960]
matrix = [[1000.0, 0.0, 640.0], [0.0, 1000.0, 480.0], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0, 0.0]
rotation = [1.2, 0.1, 0.1]
translation = [{x}, 20.0, 4000.0]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sessions, subjects and broken files that the commands are tried on."""
    folder = tmp_path_factory.mktemp("cli")
    skeleton, halpe = Skeleton.load("rajagopal"), KeypointSet.load("halpe26")
    coco = KeypointSet.load("coco17")
    motion = walk(skeleton, halpe, 2.0)
    write_session(folder / "walk.mcap", rig(), halpe, motion)
    write_session(folder / "later.mcap", rig(moved=0.4), halpe, motion)
    other = Subject.generic(skeleton, coco).to_toml().replace('skeleton = "rajagopal"', 'skeleton = "humanoid"')
    (folder / "other.toml").write_text(other)
    (folder / "words.mcap").write_text("not a recording\n" * 10)
    (folder / "file").touch()
    whole = (folder / "walk.mcap").read_bytes()
    (folder / "cut.mcap").write_bytes(whole[: len(whole) // 2])
    (folder / "headless.mcap").write_bytes(whole[:100])
    millimetres = "".join(IN_MM.format(name=f"c{i}", x=3000.0 * i) for i in range(2))
    SessionWriter(folder / "mm.mcap", millimetres, 'name = "coco17"\n').close()
    SessionWriter(folder / "empty.mcap", rig().to_toml(), 'name = "coco17"\n').close()
    return folder


@pytest.fixture(scope="module")
def motion() -> Walk:
    return walk(Skeleton.load("rajagopal"), KeypointSet.load("halpe26"), 2.0)


@pytest.fixture(scope="module")
def subject(folder: Path) -> Path:
    """A subject that `streamfit calibrate` made of two sessions of two rigs."""
    result = streamfit(folder, "calibrate", "walk.mcap", "later.mcap", "-o", "subject.toml", "--json")
    assert result.returncode == 0, result.stderr
    said, kept = json.loads(result.stdout), tomllib.loads((folder / "subject.toml").read_text())
    assert said["files"] == ["subject.toml"]
    assert said["scale"] == pytest.approx(kept["scale"], abs=1e-5)
    assert said["verdict"] == kept["fit"]["verdict"]
    assert len(said["offsets_mm"]) == 26
    return folder / "subject.toml"


def test_help_of_every_command(folder: Path) -> None:
    listing = streamfit(folder, "--help")
    assert listing.returncode == 0
    listed = [line.split()[0] for line in listing.stdout.split("Commands:")[1].splitlines() if line.strip()]
    assert sorted(listed) == sorted(COMMANDS)
    for command in COMMANDS:
        result = streamfit(folder, command, "--help")
        assert result.returncode == 0
        assert f"streamfit {command}" in result.stdout.split("Examples:")[1]


@pytest.mark.slow
def test_figures_for_scripts_are_those_of_the_file(folder: Path) -> None:
    result = streamfit(folder, "fit", "walk.mcap", "--stature", "1.8", "-o", "as-json", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((folder / "as-json" / "fit.json").read_text())


def test_a_shell_is_taught_to_complete(folder: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        result = streamfit(folder, "completion", shell)
        assert result.returncode == 0
        assert "_STREAMFIT_COMPLETE" in result.stdout
    asked = {"_STREAMFIT_COMPLETE": "bash_complete", "COMP_WORDS": "streamfit cal", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "from streamfit.cli.main import cli; cli(prog_name='streamfit')"]
    result = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "plain,calibrate"


def test_help_imports_nothing_heavy(folder: Path) -> None:
    code = "import sys, streamfit.cli.main; print({'jax', 'mujoco', 'numpy', 'zmq'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "Missing command"),
        ("juggle", "No such command 'juggle'"),
        ("fit", "Missing argument 'SESSION.mcap'"),
        ("fit walk.mcap", "Missing option '-o'"),
        ("fit walk.mcap -o out --lag soon", "'soon' is not a valid float"),
        ("fit none.mcap -o out", "cannot read none.mcap: No such file"),
        ("fit . -o out", "cannot read .: Is a directory"),
        ("fit words.mcap -o out", "words.mcap is not an MCAP file"),
        ("fit headless.mcap -o out", "headless.mcap has no attachment cameras.toml"),
        ("fit empty.mcap -o out", "empty.mcap: no view can be used"),
        ("fit mm.mcap -o out", "mm.mcap: cameras.toml: the cameras are"),
        ("fit walk.mcap -o out --cameras cam_01,cam_77", "camera 'cam_77' is not in the calibration"),
        ("fit walk.mcap -o out --person eve", "person 'eve' is not in it; it has 0"),
        ("fit walk.mcap -o out --subject none.toml", "none.toml: no such file"),
        ("fit walk.mcap -o out --subject other.toml", "other.toml: made for skeleton 'humanoid'"),
        ("fit walk.mcap -o file", "file: cannot be made: File exists"),
        ("calibrate walk.mcap -o no/such/folder/s.toml", "cannot be written"),
        ("calibrate none.mcap -o s.toml", "cannot read none.mcap: No such file"),
        ("serve none.toml", "none.toml: no such file"),
        ("keys file", "file: cannot write keys there"),
        ("demo --recording words.mcap", "words.mcap is not an MCAP file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder: Path, arguments: str, words: str) -> None:
    result = streamfit(folder, *arguments.split())
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (folder / "out").exists()


@pytest.mark.slow
def test_calibration_finds_the_size_of_the_person(subject: Path) -> None:
    made = Subject.load(subject, Skeleton.load("rajagopal"), KeypointSet.load("halpe26"))
    for group in ("thigh_r", "thigh_l", "shank_r", "shank_l", "upper_arm_r"):
        assert abs(made.scale[group] / SCALE - 1) < 0.03, made.scale


@pytest.mark.slow
def test_fit_writes_the_movement(folder: Path, subject: Path, motion: Walk) -> None:
    result = streamfit(folder, "fit", "walk.mcap", "--subject", str(subject), "-o", "out/deep", "--lag", "0.15")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # no bar where there is no terminal
    out = folder / "out" / "deep"
    tables = {"gait_events.csv", "steps.csv", "fit.json"}
    names = tables | {"kinematics.mot", "smoothed.mot", "keypoints.trc", "model.osim"}
    assert {path.name for path in out.iterdir()} == names

    lines = (out / "smoothed.mot").read_text().splitlines()
    columns = lines[6].split("\t")
    rows = np.array([[float(v) for v in line.split("\t")] for line in lines[7:]])
    np.testing.assert_allclose(rows[:, 0], motion.t, atol=1e-6)
    skeleton = Skeleton.load("rajagopal")
    for name in ("knee_angle_r", "hip_flexion_l", "elbow_flex_r"):
        true = np.degrees(motion.q[:, skeleton.coordinates.index(name)])
        error = (rows[:, columns.index(name)] - true)[15:]
        assert np.std(error) < 2.0, name

    trc = (out / "keypoints.trc").read_text().splitlines()
    points = np.array([[float(v) for v in line.split("\t")[2:]] for line in trc[6:]]).reshape(len(motion.t), -1, 3)
    true = motion.points @ rig().to_ground.T  # y up
    assert np.median(np.linalg.norm(points - true, axis=2)[15:]) < 0.01

    report = json.loads((out / "fit.json").read_text())
    assert (report["person"], report["lag_s"], report["instants"]["count"]) == ("0", 0.15, 100)
    assert report["instants"]["tracking"] > 0.97
    assert report["geometric_consistency"]["fit"]["GC_5"] > 0.9
    assert report["geometric_consistency"]["triangulation"]["GC_5"] > 0.9
    assert set(report["residuals"]["cameras"]) == {f"cam_0{i}" for i in range(1, 6)}
    assert report["residuals"]["keypoints"]["left_knee"] < 3.0
    assert 0 < report["timing"]["p50_ms"] <= report["timing"]["p99_ms"]
    assert f"person 0\n{report['instants']['count']} instants: tracking" in result.stdout


@pytest.mark.slow
def test_fit_of_some_cameras_of_a_recording_that_was_cut_off(folder: Path) -> None:
    result = streamfit(folder, "fit", "cut.mcap", "--stature", "1.8", "--cameras", "cam_01,cam_03", "-o", "cut")
    assert result.returncode == 0, result.stderr
    assert "the recording was cut off, it is read up to there" in result.stdout
    report = json.loads((folder / "cut" / "fit.json").read_text())
    assert report["cameras"] == ["cam_01", "cam_03"]
    assert report["complete"] is False
    assert 10 < report["instants"]["count"] < 100


def test_keys_are_made_once(tmp_path: Path) -> None:
    assert streamfit(tmp_path, "keys", "keys", "screen").returncode == 0
    made = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*key*") if p.is_file()}
    assert made == {
        "keys/server.key",
        "keys/server.key_secret",
        "keys/clients/screen.key",
        "keys/screen.key_secret",
    }
    again = streamfit(tmp_path, "keys", "keys", "screen")
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1


def test_ctrl_c_is_quiet(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "streamfit.cli.main", "fit", "walk.mcap", "-o", "never"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "empty-cache")},  # so that it takes long
    )
    end = time.monotonic() + 60.0
    while not (folder / "never").exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)  # what comes next is compiled, or at least loaded
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert output + error.strip() == ""
    assert not list((folder / "never").glob("*"))
