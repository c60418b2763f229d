"""Read what a session is fitted with from files or from the texts of a request."""

from dataclasses import replace
from pathlib import Path

from streamfit.daemon.config import Config
from streamfit.engine.setup import Setup
from streamfit.files import read_text
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.keypoint_set import BUILT_IN
from streamfit.model.subject import Subject


def load_setup(config: Config, skeleton: Skeleton | None = None) -> Setup:
    """The setup of [session]; with `skeleton` where that is loaded already. Raises InputError."""
    session = config.session
    if skeleton is None:
        skeleton = Skeleton.load(_name_or_path(config, session.skeleton))
    rig = Rig.load(config.path(session.cameras))
    keypoints = KeypointSet.load(_name_or_path(config, session.keypoints))
    keypoints.body_indices(skeleton.bodies)
    if not session.subject:
        return Setup(skeleton, rig, keypoints, Subject.generic(skeleton, keypoints, session.stature))
    path = config.path(session.subject)
    text = read_text(path)
    return Setup(skeleton, rig, keypoints, Subject.from_toml(text, skeleton, keypoints, str(path)), text, path.name)


def changed_setup(default: Setup, cameras: str | None, keypoints: str | None, subject: str | None) -> Setup:
    """`default` with what a request gives as TOML (keypoints also as a built-in name). Raises InputError."""
    if cameras is keypoints is subject is None:
        return default
    rig = default.rig if cameras is None else Rig.from_toml(cameras, "cameras")
    points = default.keypoints
    if keypoints is not None:
        points = KeypointSet.load(keypoints) if keypoints in BUILT_IN else KeypointSet.from_toml(keypoints)
        points.body_indices(default.skeleton.bodies)
    if subject is not None:
        person = Subject.from_toml(subject, default.skeleton, points, "subject")
        return Setup(default.skeleton, rig, points, person, subject)
    if keypoints is None:
        return replace(default, rig=rig)
    if default.subject_toml is not None:
        return replace(default, rig=rig, keypoints=points, subject=default.subject.with_keypoints(points))
    someone = replace(Subject.generic(default.skeleton, points), scale=default.subject.scale, fit=default.subject.fit)
    return replace(default, rig=rig, keypoints=points, subject=someone)


def _name_or_path(config: Config, name: str) -> str | Path:
    """A built-in name stays; anything with a suffix or a folder is a file beside the configuration."""
    return config.path(name) if Path(name).suffix or "/" in name else name
