"""Everything that reads what others wrote, as functions of bytes: each may raise its own error and nothing else."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from streamfit.cameras import Rig
from streamfit.daemon.config import load_config
from streamfit.errors import InputError
from streamfit.session.mcap_file import SessionWriter, read_session
from streamfit.skeleton import KeypointSet, Skeleton
from streamfit.subject import Subject
from streamfit.wire.control import ControlError, decode_request, encode_error
from streamfit.wire.messages import KeypointsMessage, Rejected, decode_ingest
from streamfit.wire.packing import VERSION, encode
from streamfit.wire.security import load_key

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
    return [(ROOT / "streamfit" / "skeleton" / name).read_bytes()]


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
    "session": Target(_session, (InputError,), _sessions),
    "mjcf": Target(_mjcf, (InputError,), lambda: _built_in("rajagopal.xml")),
}
