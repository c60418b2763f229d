"""Everything that reads what others wrote, as functions of bytes: each may raise its own error and nothing else."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from streamfit.daemon.config import load_config
from streamfit.errors import InputError
from streamfit.importers.calibrations.read import read_calibration
from streamfit.importers.detections.openpose import read_people
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.codec import VERSION, encode
from streamfit.protocol.control import ControlError, decode_request, encode_error
from streamfit.protocol.ingest import KeypointsMessage, Rejected, decode_ingest
from streamfit.recording.mcap_file import SessionWriter, read_session
from streamfit.transport.curve import load_key

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """`read` is given bytes; `allowed` are what it may raise; `seeds` are valid inputs."""

    read: Callable[[bytes], None]
    allowed: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]

    def __call__(self, payload: bytes) -> None:
        """Read, and check that an error is one line of a bounded length."""
        try:
            self.read(payload)
        except self.allowed as error:
            text = str(error)
            assert len(text.splitlines()) <= 1, f"more than one line: {text!r}"
            assert len(text) < 2000, f"{len(text)} characters"


def corpus(name: str) -> list[bytes]:
    """What has once been too much for a target."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def _ingest(payload: bytes) -> None:
    message = decode_ingest(payload)
    if isinstance(message, KeypointsMessage):
        assert np.isfinite(message.t)
        for view in message.views:
            assert np.isfinite(view.xyc).all()
            assert np.all((view.xyc[:, 2] >= 0.0) & (view.xyc[:, 2] <= 1.0))


def _control(payload: bytes) -> None:
    try:
        request = decode_request(payload)
    except ControlError as error:
        encode_error(None, error)
        raise
    encode_error(request, ControlError("refused", "no"))


def _cameras(payload: bytes) -> None:
    rig = Rig.from_toml(payload.decode(errors="replace"))
    again = Rig.from_toml(rig.to_toml())
    assert again.names == rig.names


def _keypoints(payload: bytes) -> None:
    keypoints = KeypointSet.from_toml(payload.decode(errors="replace"))
    assert KeypointSet.from_toml(keypoints.to_toml()).names == keypoints.names


def _subject(payload: bytes) -> None:
    subject = Subject.from_toml(payload.decode(errors="replace"), _skeleton(), _coco())
    subject.to_toml()


def _config(payload: bytes) -> None:
    with _file(payload, "daemon.toml") as path:
        config = load_config(path)
        config.path(config.session.cameras)
        config.server_keys()


def _key(payload: bytes) -> None:
    with _file(payload, "some.key") as path:
        load_key(path)


def _session(payload: bytes) -> None:
    with _file(payload, "session.mcap") as path:
        for message in read_session(path).messages():
            assert isinstance(message.payload, bytes)


def _mjcf(payload: bytes) -> None:
    with _file(payload, "skeleton.xml") as path:
        Skeleton.load(path)


def _calibration(name: str) -> Callable[[bytes], None]:
    def read(payload: bytes) -> None:
        with _file(payload, name) as path:
            rig = read_calibration([path], size=(1920, 1080)).rig
            assert Rig.from_toml(rig.to_toml()).names == rig.names

    return read


def _openpose(payload: bytes) -> None:
    with _file(payload, "cam_000000000001_keypoints.json") as path:
        people = read_people(path)
        assert people.shape[2] == 3
        assert np.isfinite(people).all()


@contextlib.contextmanager
def _file(payload: bytes, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="streamfit-fuzz-") as folder:
        path = Path(folder) / name
        path.write_bytes(payload)
        yield path


@cache
def _skeleton() -> Skeleton:
    return Skeleton.load()


@cache
def _coco() -> KeypointSet:
    return KeypointSet.load("coco17")


@cache
def _rig_text() -> str:
    return (ROOT / "configs" / "cameras.toml").read_text()


def _messages() -> list[bytes]:
    xyc = np.ones((3, 3))
    head = {"v": VERSION, "type": "keypoints", "session": "s", "t": 1.5, "frame": 3}
    view = {"camera": "a", "t": 1.25, "person": "p"}
    return [
        encode(head | {"views": [view | {"xyc": xyc}, view | {"xyc": xyc.tolist()}]}),
        encode(head | {"views": [view | {"xyc": xyc.astype(np.float32)}]}),
        encode({"v": VERSION, "type": "end", "session": "s"}),
    ]


def _requests() -> list[bytes]:
    head = {"v": VERSION, "id": 1, "session": "s"}
    names = ("status", "open", "calibrate", "record")
    return [encode(head | {"type": n, "seconds": 5.0, "on": True, "cameras": "[a]"}) for n in names]


def _subjects() -> list[bytes]:
    return [Subject.generic(_skeleton(), _coco()).to_toml().encode()]


ROTATION = "[1.2, 1.2, -1.2]"
LENS = (
    "image_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n"
    "   data: [500., 0, 320, 0, 500, 240, 0, 0, 1]\n"
)


def _storages() -> list[bytes]:
    extrinsics = f"rvec: {ROTATION}\ntvec: [0.1, 0.2, 3.]\n"
    ros = LENS.replace("!!opencv-matrix", "") + "distortion_model: equidistant\n"
    xml = (
        '<?xml version="1.0"?><opencv_storage><size>640 480</size><K type_id="opencv-matrix"><rows>3</rows><cols>3'
        "</cols><dt>d</dt><data>500. 0. 320. 0. 500. 240. 0. 0. 1.</data></K><D>0.1 0. 0. 0.</D><rvec>0. 1. 0.</rvec>"
        "<tvec>0. 0. 2.</tvec></opencv_storage>"
    )
    view = {"K": [[500, 0, 320], [0, 500, 240], [0, 0, 1]], "D": [0.1, 0, 0, 0], "size": [640, 480], "fisheye": True}
    return [
        f"%YAML:1.0\n---\n{LENS}distortion_coefficients: [0.1, 0., 0., 0., 0.]\n{extrinsics}".encode(),
        f"{ros}distortion_coefficients:\n  data: [0.1, 0, 0, 0]\n{extrinsics}".encode(),
        xml.encode(),
        json.dumps({"a": view | {"RT": np.eye(4).tolist()}}).encode(),
        f"names: [a]\nK_a: [500, 0, 320, 0, 500, 240, 0, 0, 1]\nR_a: {ROTATION}\nT_a: [0, 0, 3]\n".encode(),
    ]


def _qualisys() -> list[bytes]:
    turn = " ".join(f'r{i}{j}="{float(i == j)}"' for i in (1, 2, 3) for j in (1, 2, 3))
    one = (
        '<camera active="1" serial="1" model="Miqus Video" viewrotation="0" video_resolution="540p" point-count="9">'
        f'<fov_video left="0" top="0" right="1919" bottom="1087"/><transform {turn} x="1." y="2." z="3."/><intrinsic '
        'focalLengthU="9e4" focalLengthV="9e4" centerPointU="6e4" centerPointV="3e4" radialDistortion1="0.1" '
        'radialDistortion2="0.1" radialDistortion3="0.1" tangentalDistortion1="0." tangentalDistortion2="0."/></camera>'
    )
    return [f"<?xml version='1.0'?><calibration><cameras>{one}</cameras></calibration>".encode()]


def _tomls() -> list[bytes]:
    camera = (
        "[cameras.0]\ncam_id = 0\nignore = false\nsize = [640, 480]\nmatrix = [[500.0, 0, 320], [0, 500, 240], "
        f"[0, 0, 1]]\ndistortions = [0.1, 0, 0, 0]\nfisheye = true\nrotation = {ROTATION}\ntranslation = [0, 0, 1.5]\n"
    )
    return [_rig_text().encode(), camera.encode()]


def _detections() -> list[bytes]:
    people = [{"person_id": [-1], "pose_keypoints_2d": [1.5, 2.5, 0.9, 0, 0, 0]}, {}]
    nested = [{"pose_keypoints_2d": [[1, 2, 0.5], [3, 4, 0.5]]}]
    return [json.dumps({"version": 1.3, "people": one}).encode() for one in (people, nested, [])]


def _keys() -> list[bytes]:
    pair = b'    public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"\n'
    return [b"curve\n" + pair, b"curve\n" + pair + pair.replace(b"public", b"secret")]


def _sessions() -> list[bytes]:
    with tempfile.TemporaryDirectory(prefix="streamfit-fuzz-") as folder:
        path = Path(folder) / "walk.mcap"
        with SessionWriter(path, _rig_text(), _coco().to_toml()) as writer:
            for i, payload in enumerate(_messages()):
                writer.write("keypoints", payload, i, i)
        return [path.read_bytes()]


def _built_in(name: str) -> list[bytes]:
    return [(ROOT / "streamfit" / "model" / name).read_bytes()]


TARGETS = {
    "ingest": Target(_ingest, (Rejected,), _messages),
    "control": Target(_control, (ControlError,), _requests),
    "cameras": Target(_cameras, (InputError,), lambda: [_rig_text().encode()]),
    "keypoints": Target(_keypoints, (InputError,), lambda: [_coco().to_toml().encode(), b'name = "coco17"']),
    "subject": Target(_subject, (InputError,), _subjects),
    "config": Target(
        _config, (InputError,), lambda: [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.toml"))]
    ),
    "key": Target(_key, (InputError,), _keys),
    "storage": Target(_calibration("cam.yml"), (InputError,), _storages),
    "qualisys": Target(_calibration("Calib.qca.txt"), (InputError,), _qualisys),
    "toml": Target(_calibration("Calib.toml"), (InputError,), _tomls),
    "openpose": Target(_openpose, (InputError,), _detections),
    "session": Target(_session, (InputError,), _sessions),
    "mjcf": Target(_mjcf, (InputError,), lambda: _built_in("skeletons/rajagopal.xml")),
}
