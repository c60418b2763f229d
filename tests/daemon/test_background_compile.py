"""Preparing a session of another shape while others are live. That these go on undisturbed: test_conversation.py."""

import logging
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from streamfit.daemon.scheduling import background_compile
from streamfit.daemon.scheduling.background_compile import COMPILE_BACKOFF, prepare, sparing


def engine(recipe: Callable[[], Any]) -> Any:
    """One that counts how often it is prepared, and how it is made elsewhere."""
    made = SimpleNamespace(prepared=0, recipe=lambda: recipe)

    def note() -> None:
        made.prepared += 1

    made.prepare = note
    return made


def called(times: int) -> int:
    return sum(one(i) for i in range(times))


def one(i: int) -> int:
    return i % 2


@pytest.mark.alone
def test_a_sparing_thread_rests_longer_than_it_computes() -> None:
    with sparing(lambda: True):
        wall, computed = time.monotonic(), time.thread_time()
        called(1_000_000)
        wall, computed = time.monotonic() - wall, time.thread_time() - computed
    assert computed > 0.05
    assert wall > 0.9 * (1.0 + COMPILE_BACKOFF) * computed


@pytest.mark.alone
def test_who_comes_meanwhile_is_spared_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(background_compile.time, "sleep", rests.append)
    live: list[str] = []
    with sparing(lambda: bool(live)):
        called(1_000_000)
        assert not rests
        live.append("somebody")
        called(1_000_000)
    assert sum(rests) > 0.05


async def test_nothing_is_compiled_elsewhere_where_nobody_is() -> None:
    alone = engine(partial(int, "no number"))
    await prepare(alone, others=lambda: False)
    assert alone.prepared == 1


async def test_what_cannot_be_compiled_elsewhere_is_compiled_here(caplog: pytest.LogCaptureFixture) -> None:
    one_with_a_recipe_that_fails = engine(partial(int, "no number"))
    with caplog.at_level(logging.WARNING):
        await prepare(one_with_a_recipe_that_fails, others=lambda: True)
    assert one_with_a_recipe_that_fails.prepared == 1
    assert "compiling beside the live sessions failed (exit code 1)" in caplog.text
