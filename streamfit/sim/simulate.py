"""Simulates the person, the cameras and the detector, and writes what they give as sessions with their truth."""

import sys
from pathlib import Path

import numpy as np

from streamfit.model import KeypointSet, Skeleton
from streamfit.protocol.codec import VERSION, encode
from streamfit.recording.mcap_file import SessionWriter
from streamfit.sim.detector import detect
from streamfit.sim.motions import RATE, exercises, walk
from streamfit.sim.person import Motion, motion, true_subject
from streamfit.sim.room import room

KEYPOINTS = "movi87"
SESSION = "demo"
WALK_SECONDS, EXERCISE_SECONDS = 10.0, 6.0
_WALK_SEED, _EXERCISE_SEED = 11, 12


def simulate(folder: Path, walk_seconds: float = WALK_SECONDS, exercise_seconds: float = EXERCISE_SECONDS) -> None:
    """Write `walk.mcap`, `walk.truth.npz` and `exercises.mcap` (to calibrate with) into a folder."""
    skeleton, keypoints, rig = Skeleton.load(), KeypointSet.load(KEYPOINTS), room()
    subject = true_subject(skeleton, keypoints)
    moved = motion(exercises(skeleton, subject.scale, exercise_seconds), skeleton, keypoints, subject)
    views = detect(moved, rig, skeleton, keypoints, subject, _EXERCISE_SEED)
    save_session(folder / "exercises.mcap", views, keypoints)
    q, events = walk(skeleton, subject.scale, walk_seconds)
    walked = motion(q, skeleton, keypoints, subject, events)
    save_truth(folder / "walk.truth.npz", walked, skeleton, keypoints)
    views = detect(walked, rig, skeleton, keypoints, subject, _WALK_SEED)
    save_session(folder / "walk.mcap", views, keypoints)


def save_session(path: Path, views: np.ndarray, keypoints: KeypointSet) -> None:
    """Views (T, C, K, 3) of the room's cameras as a session file with a message per instant."""
    rig = room()
    with SessionWriter(path, rig.to_toml(), keypoints.to_toml()) as file:
        for frame, instant in enumerate(views):
            t = frame / RATE
            cameras = zip(rig.names, instant, strict=True)
            message = {
                "v": VERSION,
                "type": "keypoints",
                "session": SESSION,
                "t": t,
                "frame": frame,
                "views": [{"camera": camera, "xyc": xyc} for camera, xyc in cameras],
            }
            file.write("keypoints", encode(message), round(t * 1e9), round(t * 1e9))


def save_truth(path: Path, truth: Motion, skeleton: Skeleton, keypoints: KeypointSet) -> None:
    """`t`, `markers` (T, K, 3 m, world), `names`; `angle_t`, `angles` (T, n deg), `angle_names`; `events`."""
    rotations = [i for i, unit in enumerate(skeleton.units) if unit == "rad"]
    np.savez_compressed(
        path,
        t=truth.t,
        markers=truth.keypoints.astype(np.float32),
        names=np.array(keypoints.names),
        cameras=np.array(room().to_toml()),
        angle_t=truth.t,
        angles=np.degrees(truth.q[:, rotations]),
        angle_names=np.array([skeleton.coordinates[i] for i in rotations]),
        events=np.array(list(truth.events), [("t", "<f8"), ("side", "<U5"), ("event", "<U12")]),
    )


if __name__ == "__main__":
    simulate(Path(sys.argv[1]))
