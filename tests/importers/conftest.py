import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from streamfit.cli.main import cli
from streamfit.errors import InputError
from streamfit.model.camera import Rig
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest
from streamfit.recording.mcap_file import read_session


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


@pytest.fixture
def imported() -> Callable[..., str]:
    """`streamfit import` of these arguments: what it says that it did."""

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(cli, ["import", *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    return run


@pytest.fixture
def refused(tmp_path) -> Callable[..., str]:
    """`streamfit import` of these arguments, into a session or a file: why it does not do it."""

    def run(*arguments: object, output: str = "new.mcap") -> str:
        result = CliRunner().invoke(cli, ["import", *map(str, arguments), "-o", str(tmp_path / output)])
        assert isinstance(result.exception, InputError)
        assert not (tmp_path / output).exists()
        return str(result.exception)

    return run


@pytest.fixture
def messages() -> Callable[[Path], list[KeypointsMessage]]:
    """The messages of a session."""

    def read(path: Path) -> list[KeypointsMessage]:
        found = [decode_ingest(message.payload) for message in read_session(path).messages({"keypoints"})]
        return [message for message in found if isinstance(message, KeypointsMessage)]

    return read
