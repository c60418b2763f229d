from pathlib import Path

import pytest

from streamfit.daemon.config import Config, load_config
from streamfit.daemon.sessions.load_setup import changed_setup, load_setup
from streamfit.errors import InputError
from streamfit.transport.curve import make_keys

CONFIGS = Path(__file__).parents[2] / "configs"


def written(folder: Path, text: str) -> Path:
    path = folder / "daemon.toml"
    path.write_text(text)
    return path


def test_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, '[session]\ncameras = "c.toml"\n'))
    assert config.model_dump() == {
        "ingest": {"bind": "tcp://127.0.0.1:5570", "sync": "auto", "wait": 0.02},
        "publish": {"bind": "tcp://127.0.0.1:5571"},
        "control": {"bind": "tcp://127.0.0.1:5572"},
        "http": {"bind": "127.0.0.1:5573", "allow_remote": False},
        "security": {"server_secret_key": "", "clients": ""},
        "session": {
            "cameras": "c.toml",
            "keypoints": "halpe26",
            "subject": "",
            "stature": None,
            "skeleton": "rajagopal",
        },
        "fit": {"solver": "window", "lag": 0.1},
        "record": {"directory": "", "rotate_mb": 1024},
        "state": {"directory": ""},
    }


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, '[session]\ncameras = "c.toml"\n'))
    assert config.path("c.toml") == tmp_path / "c.toml"
    assert config.path("/elsewhere/c.toml") == Path("/elsewhere/c.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ingest]\nwaitt = 1\n", "[ingest] unknown key `waitt`; did you mean `wait`?"),
        ("[session]\ncamera = 'x'\n", "[session] unknown key `camera`; did you mean `cameras`?"),
        ("[sesion]\n", "unknown table `sesion`; did you mean `session`?"),
        ("source = 'x'\n", "unknown table `source`"),
        ("ingest = 3\n[session]\ncameras = 'x'\n", "ingest must be a table: write [ingest]"),
        ("[session]\n", "[session] cameras is missing; name the calibration"),
        ("[session]\ncameras = 3\n", "[session] cameras = 3: should be a valid string"),
        ("[session]\ncameras = 'x'\n[ingest]\nwait = -1\n", "[ingest] wait = -1: should be greater than or equal to 0"),
        ("[session]\ncameras = 'x'\n[ingest]\nsync = 'maybe'\n", "[ingest] sync = 'maybe': should be 'auto'"),
        ("[session]\ncameras = 'x'\n[fit]\nlag = inf\n", "[fit] lag = inf: should be a finite number"),
        ("[session]\ncameras = 'x'\n[http]\nbind = 'x'\n", "[http] bind = 'x' is no address; write it like 127.0.0.1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(written(tmp_path, text))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'daemon.toml'}: ")
    assert said in message
    assert len(message.splitlines()) == 1


def test_remote_addresses_need_keys_and_then_are_allowed(tmp_path: Path) -> None:
    text = (CONFIGS / "remote.toml").read_text()
    assert "0.0.0.0" in text
    config = load_config(written(tmp_path, text))
    with pytest.raises(InputError, match="not a readable ZeroMQ certificate"):
        config.server_keys()
    make_keys(tmp_path / "keys", ["detector"])
    assert config.server_keys() is not None
    without = load_config(
        written(
            tmp_path,
            text.replace("[security]", "[security]\n#").partition("server_secret")[0] + '[session]\ncameras="x"',
        )
    )
    with pytest.raises(InputError, match="without keys"):
        without.server_keys()


def test_http_leaves_this_machine_only_on_demand(tmp_path: Path) -> None:
    text = '[session]\ncameras = "x"\n[http]\nbind = "0.0.0.0:5573"\n'
    with pytest.raises(InputError, match="allow_remote = true"):
        load_config(written(tmp_path, text)).server_keys()
    load_config(written(tmp_path, text + "allow_remote = true\n")).server_keys()


@pytest.fixture(scope="module")
def room() -> Config:
    return load_config(CONFIGS / "room.toml")


def test_a_setup_is_loaded_and_changed(room: Config) -> None:
    default = load_setup(room)
    assert default.keypoints.name == "halpe26"
    assert default.subject.scale["pelvis"] == pytest.approx(1.75 / 1.70, rel=0.05)
    same = changed_setup(default, None, None, None)
    assert same.compiles_like(default)
    moved = changed_setup(default, default.rig.to_toml().replace("cam_0", "eye_"), None, None)
    assert moved.rig.names[0] == "eye_1"
    assert moved.compiles_like(default)
    other = changed_setup(default, None, "coco17", None)
    assert len(other.keypoints.names) == 17
    assert not other.compiles_like(default)
    assert not changed_setup(default, default.rig.select(default.rig.names[:2]).to_toml(), None, None).compiles_like(
        default
    )
    person = changed_setup(default, None, None, default.subject.to_toml())
    assert person.subject_toml is not None
    same_body = changed_setup(person, None, "coco17", None)
    assert same_body.subject.keypoints == same_body.keypoints.names
    assert same_body.subject.scale == person.subject.scale
    assert changed_setup(default, None, "coco17", None).subject.of_unknown_size == default.subject.of_unknown_size


def test_a_request_names_built_in_keypoints_but_no_file(room: Config) -> None:
    with pytest.raises(InputError):
        changed_setup(load_setup(room), None, str(CONFIGS / "cameras.toml"), None)
