"""Reading TOML from outside: every failure is one line that names the file."""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.errors import InputError

MAX_BYTES = 8 << 20
MAX_DEPTH = 32
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """The text of a file, UTF-8 or with a byte order mark; `InputError` if it is missing or unreadable."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no text file of ours is")
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a UTF-8 text file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{str(path)!r}: no path: {error}") from None


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The tables of a TOML text; `InputError` naming `source` and the line if it is not TOML."""
    if len(text) > MAX_BYTES:
        raise InputError(f"{source}: longer than {MAX_BYTES >> 20} MiB")
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise InputError(f"{source}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # a number of too many digits is one that tomllib does not turn into its own
        raise InputError(f"{source}: not valid TOML: {error}") from None
    _check_entries(tables, source)
    return tables


def numbers(table: dict[str, Any], key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    """The finite numbers of `table[key]` in that shape; `InputError` naming `where` otherwise."""
    if key not in table:
        raise InputError(f"{where}: {key!r} is missing; it must be {_describe(shape)}")
    try:
        value = np.array(table[key], dtype=float)
    except (TypeError, ValueError, OverflowError):
        value = None
    if value is None or value.shape != shape or not np.isfinite(value).all():
        raise InputError(f"{where}: {key!r} must be {_describe(shape)}, got {str(table[key])[:60]}")
    return value


def _check_entries(tables: dict[str, Any], source: str) -> None:
    """Refuse what no later reader could handle, or even name in an error: whole numbers and depths without bound."""
    level: list[Any] = [tables]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for entry in level:
            if isinstance(entry, dict | list):
                inner += entry.values() if isinstance(entry, dict) else entry
            elif isinstance(entry, int) and not -(2**63) <= entry < 2**63:
                raise InputError(f"{source}: not valid TOML: a whole number that 64 bits do not hold")
        level = inner
    if level:
        raise InputError(f"{source}: nested more than {MAX_DEPTH} deep")


def _describe(shape: tuple[int, ...]) -> str:
    return "a finite number" if not shape else " x ".join(str(n) for n in shape) + " finite numbers"
