"""Compile a function on another thread while this one has other work to do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jax


def compile_ahead(function: Callable[..., Any], *arguments: Any) -> Callable[[], None]:
    """Call a compiled function once with arguments of the shapes to come; gives what waits for that to be done.

    An error is left to the call that is meant: it will meet the same. The thread is waited for at exit, since a
    compilation does not survive the end of its process.
    """

    def call() -> None:
        try:
            jax.block_until_ready(function(*arguments))
        except Exception:
            return

    thread = threading.Thread(target=call, name="compile ahead")
    thread.start()
    return thread.join
