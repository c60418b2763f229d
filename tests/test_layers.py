"""Who may import whom."""

import ast
from pathlib import Path

import pytest

import streamfit

PACKAGE = Path(streamfit.__file__).parent

# room: the other rooms it may import; the ground is what all stand on
CORE = {"skeleton", "cameras", "trajectory", "subject", "fit", "gait"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "arrays": set(),
    "video_times": set(),
    "skeleton": set(),
    "projection": set(),
    "caliscope": set(),
    "cameras": {"projection", "caliscope"},
    "trajectory": set(),
    "subject": {"skeleton", "cameras"},
    "fit": {"skeleton", "cameras", "trajectory", "subject"},
    "gait": {"skeleton"},
    "imports": {"skeleton", "cameras", "caliscope"},
    "rig": {"cameras", "view"},
    "wire": set(),
    "client": {"wire"},
    "session": {"wire"},
    "daemon": CORE | {"wire", "session"},
    "view": {"wire", "session"},
    "commands": CORE | {"wire", "session", "imports", "rig", "daemon", "view"},
    "demo": CORE | {"wire", "session", "daemon", "view", "commands"},
    "cli": CORE | {"wire", "session", "imports", "rig", "daemon", "view", "commands", "demo"},
}
GROUND = {"errors", "files", "arrays", "video_times"}
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
            # `from streamfit import wire` imports a room as well
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "streamfit" else {module}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        allowed: set[str] = set()
    else:
        allowed = MAY_IMPORT[room] | GROUND | {room}
    rooms = {room_of(module) for module in imported(path)} & set(MAY_IMPORT)
    assert rooms <= allowed


@pytest.mark.parametrize("name", ["jax_runtime.py", "notify.py", "__init__.py"])
def test_what_runs_before_jax_does_not_import_it(name: str) -> None:
    assert not {m for m in imported(PACKAGE / "daemon" / name) if m.startswith(("jax", "streamfit"))}


def test_every_room_is_in_the_table() -> None:
    rooms = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in MODULES} - {"__init__"}
    assert rooms <= set(MAY_IMPORT)
