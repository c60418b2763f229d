"""`streamfit evaluate`: figures against what is known of a simulated recording, and a report that stands alone."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from simulated import SCALE, Walk, project, rig, walk

import streamfit.evaluation.evaluate as command
import streamfit.evaluation.pictures as drawing
from streamfit.cli.main import main
from streamfit.estimation.batch.result import Movement
from streamfit.evaluation.evaluate import Case, evaluate_session
from streamfit.evaluation.gait import PARAMETERS
from streamfit.evaluation.tables import Tracked
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.subject import SKELETON_STATURE, RefinedRig, Subject
from streamfit.protocol.codec import encode
from streamfit.recording.mcap_file import SessionWriter
from streamfit.recording.playback import open_recording

CAMERAS = rig(3)
LOST = slice(10, 14)  # instants without a fit
VIDEO_RATE = 25.0


@dataclass(frozen=True, eq=False)
class Recorded:
    """A session file, the walk in it, and what its cameras sent (T, C, K, 3)."""

    path: Path
    motion: Walk
    xyc: np.ndarray

    def errors(self) -> np.ndarray:
        """(T, C, K) px to the true points by OpenCV; infinite where LOST, NaN where there is no confidence."""
        true = np.stack([project(camera, self.motion.points) for camera in CAMERAS.cameras], axis=1)
        errors = np.linalg.norm(true - self.xyc[..., :2], axis=-1)
        errors[LOST] = np.inf
        return np.where(self.xyc[..., 2] >= 0.5, errors, np.nan)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, skeleton: Skeleton, keypoints: KeypointSet) -> Recorded:
    """Three cameras at 50 Hz, each with its own noise; the third misses instants, some points are unsure."""
    motion = walk(skeleton, keypoints, 0.8)
    rng = np.random.default_rng(7)
    shape = (len(motion.t), len(CAMERAS.cameras), len(keypoints.names))
    pixels = np.stack([project(camera, motion.points) for camera in CAMERAS.cameras], axis=1)
    pixels += np.array([1.0, 3.0, 6.0])[:, None, None] * rng.standard_normal((*shape, 2))
    xyc = np.concatenate([pixels, rng.choice([0.2, 0.7, 1.0], shape)[..., None]], axis=-1)
    xyc[:, :, 4] = [*pixels[0, 0, 4], 0.3]  # a keypoint that is never sure
    xyc[::5, 2] = 0.0
    path = tmp_path_factory.mktemp("evaluate") / "walk.mcap"
    record(path, motion.t, xyc)
    return Recorded(path, motion, xyc)


def record(path: Path, t: np.ndarray, xyc: np.ndarray) -> None:
    """One message per instant, of the cameras that see anything, with a subject of the right size."""
    skeleton, halpe = Skeleton.load(), KeypointSet.load("halpe26")
    subject = Subject.generic(skeleton, halpe, SKELETON_STATURE * SCALE)
    with SessionWriter(path, CAMERAS.to_toml(), halpe.to_toml(), subject.to_toml()) as writer:
        for time, seen in zip(t.tolist(), xyc, strict=True):
            views = [
                {"camera": name, "person": "0", "xyc": one}
                for name, one in zip(CAMERAS.names, seen, strict=True)
                if one.any()
            ]
            message = {"v": 1, "type": "keypoints", "session": path.stem, "t": time, "views": views}
            writer.write("keypoints", encode(message), int(time * 1e9), int(time * 1e9))


@pytest.fixture(scope="module")
def evaluated(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written where the movement to compare is the true one, but for a gap, and one camera has a video."""
    folder = tmp_path_factory.mktemp("evaluated")
    q, points = recorded.motion.q.copy(), recorded.motion.points.copy()
    q[LOST], points[LOST] = np.nan, np.nan

    def known(case: Case) -> dict[str, Callable[[], Movement]]:
        return {"truth": lambda: Movement("truth", case.cameras[0], recorded.motion.t, q, points)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "movements", known)
        evaluate_session(recorded.path, folder / "out", videos=[f"cam_01={video(folder / 'one.mp4')}"])
    return folder / "out"


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "evaluation.json").read_text(), parse_constant=lambda name: pytest.fail(name))


def test_the_figures_are_those_of_the_true_movement(recorded: Recorded, evaluated: Path, skeleton: Skeleton) -> None:
    report = read(evaluated)
    assert list(report["methods"]) == ["truth", "triangulation"]
    method, errors = report["methods"]["truth"], recorded.errors()
    counted = errors[~np.isnan(errors)]
    assert method["points"] == len(counted)
    assert method["median_px"] == pytest.approx(np.median(counted), abs=1e-3)
    for limit in (5, 10, 20):
        assert method[f"GC_{limit}"] == pytest.approx((counted * 2048 / 1280 < limit).mean(), abs=1e-3)
    shares = [(counted * 2048 / 1280 < limit).mean() for limit in report["curve_px"]]
    np.testing.assert_allclose(method["curve"], shares, atol=2e-3)
    assert method["fitted"] == 36 / 40
    halpe = report["keypoints"]["names"]
    for axis, kind, names in ((1, "cameras", CAMERAS.names), (2, "keypoints", halpe)):
        for index, name in enumerate(names):
            own = errors.take(index, axis)
            assert report["detections"][kind][name] == (~np.isnan(own)).sum()
            expected = None if np.isnan(own).all() else pytest.approx(np.nanmedian(own), abs=1e-3)
            assert method[kind][name] == expected
    assert method["keypoints"][halpe[4]] is None
    one = errors[:, 1, 7]
    assert abs(method["cameras_keypoints"]["cam_02"][halpe[7]] - np.nanmedian(one)) < np.nanstd(one[np.isfinite(one)])

    known = np.delete(recorded.motion.q, np.r_[LOST], axis=0)
    knee = np.degrees(known[:, skeleton.coordinates.index("knee_angle_r")])
    row = report["angles"]["truth"]["knee_angle_r"]
    figures = [row[key] for key in ("mean", "sd", "min", "max", "range")]
    np.testing.assert_allclose(figures, [knee.mean(), knee.std(), knee.min(), knee.max(), np.ptp(knee)])
    assert (row["unit"], row["posterior_sd"]) == ("deg", None)
    height = report["angles"]["truth"]["pelvis_ty"]
    assert height["unit"] == "m"
    assert height["mean"] == pytest.approx(known[:, 1].mean())

    assert report["recording"]["instants"] == 40
    assert report["recording"]["rate_hz"] == pytest.approx(50.0)
    assert [camera["views"] for camera in report["recording"]["cameras"].values()] == [40, 40, 32]
    assert report["subject"]["source"] == "that of the session"
    # triangulation is bound by the noise alone, and keeps to the camera that has least of it
    assert 0.3 < report["methods"]["triangulation"]["cameras"]["cam_01"] < 3.0


class Outside(HTMLParser):
    """Collects what a page would fetch, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]


def test_the_report_stands_alone(evaluated: Path) -> None:
    text = (evaluated / "report.html").read_text()
    page = Outside(text)
    assert not page.tags & {"script", "link", "iframe", "object", "embed"}
    assert not re.search(r"https?:|url\(|@import|//[a-z]", re.sub(r"base64,[\w+/=]+", "", text))
    written = {path.read_bytes(): path.stem for path in evaluated.glob("*.png")}
    shown = []
    for source in page.sources:
        prefix, _, data = source.partition(",")
        assert prefix == "data:image/png;base64"
        content = base64.b64decode(data, validate=True)
        width, height = Image.open(BytesIO(content)).size
        assert 300 < width < 3000
        assert 200 < height < 4000
        shown.append(written.pop(content))
    assert shown == [
        "consistency",
        *("views_small", "views_typical", "views_large"),
        *("angles", "room", "residuals", "errors"),
    ]
    assert not written
    report = read(evaluated)
    assert report["summary"] in text
    assert f"{100 * report['methods']['truth']['GC_10']:.1f} %" in text


def video(path: Path, size: tuple[int, int] = (640, 480)) -> Path:
    """25 Hz; frame i is one colour, its blue 12 i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), VIDEO_RATE, size)
    for index in range(20):
        writer.write(np.full((size[1], size[0], 3), (12 * index, 20, 210), np.uint8))
    writer.release()
    return path


def test_views_are_drawn_on_the_frame_of_their_time(evaluated: Path) -> None:
    text = (evaluated / "report.html").read_text()
    seconds = {name: float(t) for name, t in re.findall(r"with a (\w+) error, ([\d.]+) s from the start:", text)}
    assert len(seconds) == 3
    for name, t in seconds.items():
        red, green, blue = np.moveaxis(np.asarray(Image.open(evaluated / f"views_{name}.png").convert("RGB")), -1, 0)
        frame = (np.abs(red.astype(int) - 210) < 10) & (np.abs(green.astype(int) - 20) < 10)
        assert 0.1 < frame.mean() < 0.4  # of three panels, one
        # the nearest frame: half way between two either is
        assert abs(np.median(blue[frame]) - 12 * t * VIDEO_RATE) <= 6 + 4


def test_a_recording_that_is_nowhere_sure(recorded: Recorded, tmp_path: Path) -> None:
    """Dashes in the report, null in the figures."""
    xyc = recorded.xyc.copy()
    xyc[..., 2] *= 0.4
    record(tmp_path / "unsure.mcap", recorded.motion.t[:5], xyc[:5])
    evaluate_session(tmp_path / "unsure.mcap", tmp_path / "out", cameras=["cam_01"], methods=["triangulation"])
    method = read(tmp_path / "out")["methods"]["triangulation"]
    assert (method["GC_10"], method["median_px"], method["points"]) == (None, None, 0)
    text = (tmp_path / "out" / "report.html").read_text()
    assert "No camera has a confident detection" in text
    assert "<td>-</td><td>-</td><td>-</td><td>-</td><td>0</td>" in text


def test_a_person_who_is_never_fitted(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skeleton: Skeleton
) -> None:
    def lost(case: Case) -> dict[str, Callable[[], Movement]]:
        q = np.full((len(case.t), len(skeleton.coordinates)), np.nan)
        return {"live": lambda: Movement("live", case.cameras[0], case.t, q, np.full((len(q), 26, 3), np.nan))}

    monkeypatch.setattr(command, "movements", lost)
    record(tmp_path / "short.mcap", recorded.motion.t[:5], recorded.xyc[:5])
    evaluate_session(tmp_path / "short.mcap", tmp_path, cameras=["cam_01"])
    report = read(tmp_path)
    for method in report["methods"].values():  # nor does one camera triangulate
        assert (method["GC_20"], method["median_px"]) == (0.0, None)
    assert report["methods"]["live"]["fitted"] == 0.0
    assert set(report["angles"]["live"]["knee_angle_r"].values()) == {"deg", None}
    assert not (tmp_path / "room.png").exists()


def step(side: str, t: float, length: float | None) -> dict[str, Any]:
    """A step of which only the length matters."""
    return dict.fromkeys(PARAMETERS, 1.0) | {"side": side, "t": t, "step_length": length}


def test_angles_are_cut_into_strides_where_there_are_foot_strikes(
    recorded: Recorded, evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of the right foot make one stride; what the other foot did, and what was no strike, does not matter."""
    strikes = [("right", "foot_strike", 0.1), ("right", "foot_strike", 0.7), ("left", "foot_off", 0.3)]
    events = [{"side": side, "event": event, "t": t} for side, event, t in strikes]
    steps = [step("right", 0.7, 0.60), step("right", 1.9, 0.64), step("left", 1.3, 0.56), step("left", 2.5, None)]
    known = recorded.motion

    def walked(case: Case) -> dict[str, Callable[[], Movement]]:
        sd = np.full_like(known.q, 0.01)
        return {"live": lambda: Tracked("live", case.cameras[0], known.t, known.q, known.points, sd, events, steps)}

    given = []
    monkeypatch.setattr(command, "movements", walked)
    monkeypatch.setattr(drawing, "angles_over_strides", lambda *args: given.append(args) or Figure())
    evaluate_session(recorded.path, tmp_path, methods=["live"])
    (angles, times), *others = given
    assert not others
    assert times == {"right": [0.1, 0.7], "left": []}
    np.testing.assert_allclose(angles.sd, np.degrees(0.01))
    length = read(tmp_path)["gait"]["step_length"]
    assert length["right"]["count"] == 2
    assert length["right"]["mean"] == pytest.approx(0.62)
    assert length["right"]["sd"] == pytest.approx(0.02 * np.sqrt(2))
    assert length["right"]["variation"] == pytest.approx(0.02 * np.sqrt(2) / 0.62)
    assert length["left"] == {"count": 1, "mean": pytest.approx(0.56), "sd": None, "variation": None}
    assert length["asymmetry"] == pytest.approx(0.06 / 0.59)
    assert read(evaluated)["gait"] == {}
    assert "<h2>Steps</h2>" in (tmp_path / "report.html").read_text()
    assert "<h2>Steps</h2>" not in (evaluated / "report.html").read_text()
    assert "each thin line is one stride" in (tmp_path / "report.html").read_text()
    assert "no foot strikes" in (evaluated / "report.html").read_text()


def test_live_and_smoothed_are_what_the_engine_publishes(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skeleton: Skeleton
) -> None:
    monkeypatch.setattr(command, "pictures", lambda scene: [])
    report = evaluate_session(recorded.path, tmp_path)
    assert list(report["methods"]) == ["live", "smoothed", "offline", "two-stage", "triangulation"]
    for name in ("live", "smoothed"):
        assert report["methods"][name]["fitted"] == 1.0
        assert report["methods"][name]["cameras"]["cam_01"] < 5.0
        knee = report["angles"][name]["knee_angle_r"]
        true = np.degrees(recorded.motion.q[:, skeleton.coordinates.index("knee_angle_r")])
        assert abs(knee["mean"] - true.mean()) < 4.0
        assert 0.1 < knee["posterior_sd"] < 15.0


def test_views_are_compared_at_their_refined_times(recorded: Recorded, skeleton: Skeleton) -> None:
    recording = open_recording(recorded.path, skeleton)
    clock = np.array([0.0, 0.004, -0.003])
    subject = Subject.generic(skeleton, recording.keypoints)
    refined = replace(subject, refined=(RefinedRig(("walk",), recording.rig, rig(3, moved=0.01), clock),))
    case = Case(recording, skeleton, refined, lambda what, share: None)
    np.testing.assert_allclose(case.seen.t - recorded.motion.t[:, None], np.tile(clock, (40, 1)), atol=1e-12)
    np.testing.assert_array_equal(case.cameras[0].cameras[0].rotation, rig(3, moved=0.01).cameras[0].rotation)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--video cam_01", "--video cam_01: must be CAMERA=FILE, such as cam_01=video.mp4"),
        ("--video cam_77=wide.mp4", "no camera 'cam_77'; there are cam_01, cam_02, cam_03"),
        ("--video cam_01=none.mp4", "--video none.mp4: no such file"),
        (
            "--video cam_01=wide.mp4",
            "--video wide.mp4: its frames are 640 x 240, but its camera was calib",
        ),
        ("--video cam_01=good.mp4 --video cam_01=good.mp4", "cam_01 has a video already, good.mp4"),
        ("--methods live,magic", "--methods: there is no 'magic'; there are live, smoothed"),
        ("--methods ,", "--methods: names none"),
        ("--subject none.toml", "none.toml: no such file"),
        ("--cameras cam_77", "camera 'cam_77' is not in the calibration"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    recorded: Recorded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    video(Path("wide.mp4"), (640, 240))
    video(Path("good.mp4"))
    monkeypatch.setattr("streamfit.cli.main._prepare_jax", lambda: None)  # JAX is here already
    monkeypatch.setattr("sys.argv", ["streamfit", "evaluate", str(recorded.path), "-o", "out", *arguments.split()])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    error = capfd.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert not Path("out").exists()


def test_what_is_no_video_is_said_once(recorded: Recorded, tmp_path: Path) -> None:
    """In a process of its own: OpenCV and FFmpeg write to stderr by themselves."""
    (tmp_path / "words.mp4").write_text("no video\n" * 100)
    arguments = ["evaluate", str(recorded.path), "-o", "out", "--video", "cam_01=words.mp4"]
    result = subprocess.run(
        [sys.executable, "-m", "streamfit.cli.main", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    said = "--video words.mp4: no video that OpenCV can read; convert it, to H.264 in .mp4 for instance"
    assert result.stderr == f"streamfit: {said}\n"
