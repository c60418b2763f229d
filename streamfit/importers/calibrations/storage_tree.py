"""YAML, JSON and OpenCV's XML as maps, lists and texts.

OpenCV's own FileStorage is not used: of 4,000 damaged files it corrupted the heap within the first hundreds (5.0.0).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml

from streamfit.errors import InputError
from streamfit.files import read_text

MAX_CHARACTERS = 2 << 20
MAX_NUMBERS = 1 << 16
MAX_DEPTH = 16

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # of libyaml where it was built in


def read_tree(path: Path) -> dict[str, Any]:
    """The fields of a file, told by its text and not by its suffix. Raises InputError.

    Numbers may be texts still: `numbers_of`, `number_of` and `text_of` read a field.
    """
    text = read_text(path)
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{path}: longer than {MAX_CHARACTERS >> 20} million characters, which no calibration is")
    try:
        tree = _parsed(text.lstrip())
    except (ElementTree.ParseError, ValueError, RecursionError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: neither YAML, JSON nor XML of OpenCV: {said}") from None
    if not isinstance(tree, dict):
        raise InputError(f"{path}: no fields in it")
    return {str(key): value for key, value in tree.items()}


def _parsed(text: str) -> Any:
    if text.startswith("<"):
        return _of_element(ElementTree.fromstring(text))
    if text.startswith("{"):
        return json.loads(text)
    return yaml.load(re.sub(r"^%YAML[^\n]*", "", text), Loader=_Loader)


def _of_element(element: ElementTree.Element, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if not len(element):
        return (element.text or "").strip()
    if all(child.tag == "_" for child in element):
        return [_of_element(child, depth + 1) for child in element]
    return {child.tag: _of_element(child, depth + 1) for child in element}


def first(tree: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these fields that there is, or None."""
    return next((tree[name] for name in names if tree.get(name) not in (None, "")), None)


def numbers_of(value: Any) -> np.ndarray | None:
    """The finite numbers (N,) of a matrix, a list (of lists) or a text; None where it is none of these."""
    if isinstance(value, dict):
        value = value.get("data")
    try:
        flat = np.array(_flat(value), float)
    except (TypeError, ValueError, OverflowError):
        return None
    return flat if len(flat) and np.isfinite(flat).all() else None


def _flat(value: Any, depth: int = 0) -> list[float]:
    if depth > MAX_DEPTH:
        raise ValueError
    if isinstance(value, str):
        out = [float(part) for part in value.split()]
    elif isinstance(value, list):
        out = []
        for inner in value:
            out += _flat(inner, depth + 1)
            if len(out) > MAX_NUMBERS:
                raise ValueError
    elif isinstance(value, int | float):
        out = [float(value)]
    else:
        raise TypeError
    return out


def number_of(value: Any) -> float | None:
    """One finite number, or None."""
    found = numbers_of(value)
    return float(found[0]) if found is not None and found.shape == (1,) else None


def text_of(value: Any) -> str | None:
    """A text without OpenCV's quotes; None where it is no text."""
    return value.strip().strip('"').strip() if isinstance(value, str) else None
