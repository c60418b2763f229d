"""Reading TOML from outside: every failure is one line that names the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.errors import InputError


def read_text(path: Path) -> str:
    """The UTF-8 text of a file; `InputError` if it is missing or unreadable."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a UTF-8 text file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The tables of a TOML text; `InputError` naming `source` and the line if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source}: not valid TOML: {error}") from None


def numbers(table: dict[str, Any], key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    """The finite numbers of `table[key]` in that shape; `InputError` naming `where` otherwise."""
    if key not in table:
        raise InputError(f"{where}: {key!r} is missing; it must be {_describe(shape)}")
    try:
        value = np.array(table[key], dtype=float)
    except (TypeError, ValueError):
        value = None
    if value is None or value.shape != shape or not np.isfinite(value).all():
        raise InputError(f"{where}: {key!r} must be {_describe(shape)}, got {str(table[key])[:60]}")
    return value


def _describe(shape: tuple[int, ...]) -> str:
    return "a finite number" if not shape else " x ".join(str(n) for n in shape) + " finite numbers"
