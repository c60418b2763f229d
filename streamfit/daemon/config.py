"""The configuration file of the daemon: every key, its default and its range."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamfit.errors import InputError
from streamfit.estimation.solvers import SolverName
from streamfit.files import parse_toml, read_text
from streamfit.transport.curve import ServerKeys, load_server_keys, require_keys
from streamfit.transport.endpoints import is_loopback

Endpoint = Annotated[str, Field(pattern=r"^(tcp://\S+:(\d+|\*)|ipc://\S+)$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Ingest(_Table):
    """[ingest]: where detectors send to. `sync` says whether cameras are triggered together or run free; `wait` s, for
    the views of an instant."""

    bind: Endpoint = "tcp://127.0.0.1:5570"
    sync: Literal["auto", "triggered", "free"] = "auto"
    wait: Annotated[float, Field(ge=0.0, le=1.0)] = 0.02


class Publish(_Table):
    """[publish]: where consumers subscribe."""

    bind: Endpoint = "tcp://127.0.0.1:5571"


class Control(_Table):
    """[control]: where requests go to."""

    bind: Endpoint = "tcp://127.0.0.1:5572"


class Http(_Table):
    """[http]: HOST:PORT of the live page, `/metrics` and `/healthz`; another address than loopback must be allowed."""

    bind: Annotated[str, Field(pattern=r"^\S+:\d+$")] = "127.0.0.1:5573"
    allow_remote: bool = False


class Security(_Table):
    """[security]: a secret key file and the folder of the clients' public keys; both or none."""

    server_secret_key: str = ""
    clients: str = ""


class Session(_Table):
    """[session]: files that a session is opened with when its first message comes. `keypoints` also a built-in name;
    `stature` m, of who has no `subject`."""

    cameras: str
    keypoints: str = "halpe26"
    subject: str = ""
    stature: Annotated[float, Field(ge=0.4, le=2.6)] | None = None
    skeleton: str = "rajagopal"


class Fit(_Table):
    """[fit]: `lag` s, of the smoothed topic; `solver` is the live solver's name."""

    solver: SolverName = "window"
    lag: Annotated[float, Field(ge=0.02, le=1.0)] = 0.1


class Record(_Table):
    """[record]: a folder, or nothing; a recording goes on in a new file from `rotate_mb` (MB) on."""

    directory: str = ""
    rotate_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 1024


class State(_Table):
    """[state]: the folder of what outlives a crash, for one daemon; none: systemd's, or one in ~/.local/state."""

    directory: str = ""


class Config(_Table):
    """The whole file. Paths in it are relative to `source`, its own path."""

    source: Path = Field(exclude=True)
    ingest: Ingest = Ingest()
    publish: Publish = Publish()
    control: Control = Control()
    http: Http = Http()
    security: Security = Security()
    session: Session
    fit: Fit = Fit()
    record: Record = Record()
    state: State = State()

    def path(self, name: str) -> Path:
        """`name` as the configuration file means it."""
        try:
            return self.source.parent / Path(name).expanduser()
        except RuntimeError:
            raise InputError(f"{self.source}: {name!r}: no such user; write the folder out") from None

    def server_keys(self) -> ServerKeys | None:
        """The keys of [security]. Raises InputError, also where an open address has none."""
        security = self.security
        if bool(security.server_secret_key) != bool(security.clients):
            raise InputError(f"{self.source}: [security] needs both `server_secret_key` and `clients`, or none")
        keys = None
        if security.server_secret_key:
            keys = load_server_keys(self.path(security.server_secret_key), self.path(security.clients))
        require_keys({"ingest": self.ingest.bind, "publish": self.publish.bind, "control": self.control.bind}, keys)
        host = self.http.bind.rpartition(":")[0]
        if not self.http.allow_remote and not is_loopback(host):
            raise InputError(
                f"{self.source}: [http] bind = {self.http.bind!r} can be reached from outside; "
                "bind to 127.0.0.1, or set allow_remote = true"
            )
        return keys


def load_config(path: Path | str) -> Config:
    """The configuration in a TOML file. Raises InputError naming the file and the key."""
    path = Path(path)
    tables = parse_toml(read_text(path), str(path))
    if "source" in tables:
        raise InputError(_unknown(path, (), "source", Config))
    try:
        return Config(source=path, **tables)
    except ValidationError as error:
        raise InputError(_describe(path, error)) from None


def _describe(path: Path, error: ValidationError) -> str:
    """One line for the first thing that is wrong."""
    problems = error.errors(include_url=False)
    # a misspelt name is also a missing one: the former says more
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    *outer, key = (str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return _unknown(path, outer, key, _model(outer))
    where = f"{path}: {_section(outer)}{key}"
    if problem["type"] == "missing":
        if key == "session":
            return f'{path}: [session] is missing; it must name the calibration: cameras = "cameras.toml"'
        return f'{where} is missing; name the calibration: {key} = "cameras.toml"'
    if problem["type"] == "string_pattern_mismatch":
        example = "127.0.0.1:5573" if outer == ["http"] else "tcp://127.0.0.1:5570 or ipc:///path"
        return f"{where} = {problem['input']!r} is no address; write it like {example}"
    if problem["type"] == "model_type":
        return f"{where} must be a table: write [{key}] on a line of its own"
    return f"{where} = {repr(problem['input'])[:60]}: {problem['msg'].removeprefix('Input ')}"


def _unknown(path: Path, outer: Iterable[str], key: str, model: type[BaseModel]) -> str:
    known = [name for name in model.model_fields if name != "source"]
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
    kind = "key" if model is not Config else "table"
    return f"{path}: {_section(outer)}unknown {kind} `{key}`; did you mean `{nearest}`?"


def _section(outer: Iterable[str]) -> str:
    return "".join(f"[{name}] " for name in outer)


def _model(outer: Iterable[str]) -> type[BaseModel]:
    model: Any = Config
    for name in outer:
        model = model.model_fields[name].annotation
    return model
