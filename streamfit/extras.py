"""Optional packages."""

from importlib import import_module
from typing import Any

from streamfit.errors import InputError


def needed(module: str, extra: str) -> Any:
    """An optional module. Raises InputError that names what to install."""
    try:
        return import_module(module)
    except ImportError:
        raise InputError(f"{module} is not installed; pip install 'streamfit[{extra}]'") from None
