"""Who may import whom: no arrow goes up."""

import ast
from pathlib import Path

import pytest

import streamfit

PACKAGE = Path(streamfit.__file__).parent

GROUND = {"arrays", "errors", "extras", "files", "jax_runtime", "shallow", "terminal"}
"""What all rooms stand on."""
ENGINE = {"model", "estimation", "gait", "protocol"}
RECORDING = ENGINE | {"engine"}
MAY_IMPORT: dict[str, set[str]] = {
    **{name: {"errors"} for name in GROUND},
    "model": set(),
    "estimation": {"model"},
    "gait": {"model"},
    "protocol": set(),
    "transport": {"protocol"},
    "client": {"protocol", "transport"},
    "engine": ENGINE,
    "recording": RECORDING,
    "rig": {"model", "recording"},
    "importers": {"model", "protocol", "recording"},
    "exporters": RECORDING | {"recording"},
    "evaluation": RECORDING | {"recording", "exporters"},
    "sim": {"model", "estimation", "protocol", "recording"},
    "daemon": RECORDING | {"transport", "recording"},
    "demo": {"model", "protocol", "client", "transport", "recording", "sim"},
    "cli": RECORDING | {"transport", "recording", "rig", "importers", "exporters", "evaluation", "daemon", "demo"},
}
"""room: the other rooms that it may import, besides the ground"""
BEFORE_JAX = ("jax_runtime.py", "daemon/systemd.py", "__init__.py")
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str | None:
    """The room of `streamfit.ROOM...`; None for the package itself and for others."""
    parts = module.split(".")
    return parts[1] if parts[0] == "streamfit" and len(parts) > 1 else None


def imported(path: Path) -> set[str]:
    """The modules that a file imports anywhere in it; relative imports are not our way."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            # `from streamfit import protocol` imports a room as well
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "streamfit" else {module}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = set() if room == "__init__" else MAY_IMPORT[room] | {room} | (GROUND if room not in GROUND else set())
    rooms = {room_of(module) for module in imported(path)} & set(MAY_IMPORT)
    assert rooms <= allowed


def test_no_two_rooms_import_each_other() -> None:
    assert not [(a, b) for a, others in MAY_IMPORT.items() for b in others if a != b and a in MAY_IMPORT[b]]


@pytest.mark.parametrize("name", BEFORE_JAX)
def test_what_runs_before_jax_does_not_import_it(name: str) -> None:
    assert not {m for m in imported(PACKAGE / name) if m.startswith(("jax", "streamfit"))}


def test_every_room_is_in_the_table() -> None:
    rooms = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in MODULES} - {"__init__"}
    assert rooms <= set(MAY_IMPORT)
