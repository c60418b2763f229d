import json

import numpy as np
import pytest

from streamfit.cameras import Rig


@pytest.fixture(scope="session")
def openpose(rig: Rig, tmp_path_factory):
    """A folder of OpenPose's files of the rig's first three cameras, and who is in them (T, C, K, 3)."""
    folder = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(2)
    seen = np.concatenate([rng.uniform(0, 1500, (4, 3, 17, 2)), rng.uniform(0.3, 1.0, (4, 3, 17, 1))], -1)
    for camera in range(3):
        inner = folder / "pose" / f"cam{camera}_json"
        inner.mkdir(parents=True)
        for frame in range(4):
            clear, dim = seen[frame, camera], seen[frame, camera] * (1, 1, 0.5) + (7, 7, 0)
            people = [] if (frame, camera) == (2, 1) else [dim, clear]
            entries = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in people]
            (inner / f"walk_{frame + 5:012d}_keypoints.json").write_text(json.dumps({"people": entries}))
    return folder, seen
