#!/usr/bin/env python
"""Fuzzes every reader of what others wrote for as long as one likes; coverage-guided where atheris is installed.

Each target runs in a process of its own, with a bound on its memory and on the time of one input: what brings it down
is kept in `tests/fuzz/corpus`, whose inputs every run of the tests reads again. With `--keep` so are those that reach
what no smaller input does.
"""

import hashlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from rich.console import Console
from rich.table import Table

from benchmarks.lib.mutations import mutations
from streamfit.terminal import progress, run

TESTS = Path(__file__).parents[2] / "tests" / "fuzz"
sys.path.insert(0, str(TESTS))

from targets import CORPUS, TARGETS, corpus  # noqa: E402 - beside the tests

MEMORY = 4 << 30
"""bytes of address space that a target may take over what it has at its start."""
SLOW = 5
"""s that one input may take."""
LARGEST = 8192
"""bytes of an input that is worth keeping."""
GRACE = 60.0
"""s beyond its time after which a target is ended."""


@click.command(
    epilog="\b\nExamples:\n  benchmarks/chaos/fuzz.py --minutes 10\n  benchmarks/chaos/fuzz.py session --keep"
)
@click.argument("names", nargs=-1, type=click.Choice(sorted(TARGETS)))
@click.option("--minutes", default=1.0, show_default=True, help="For each target.")
@click.option("--seed", default=1, show_default=True)
@click.option("--plain", is_flag=True, help="Random mutations, also where atheris is installed.")
@click.option("--keep", is_flag=True, help="Keep inputs that reach what no smaller one does (needs atheris).")
@click.option(
    "--inside", hidden=True, type=click.Path(path_type=Path), help="Fuzz in this process, noting inputs there."
)
def fuzz(names: tuple[str, ...], minutes: float, seed: int, plain: bool, keep: bool, inside: Path | None) -> int:
    """Fuzz the readers; 1 where one has fallen."""
    guided = not plain and find_spec("atheris") is not None
    if inside is not None:
        _distil(names[0], inside) if keep else _fuzz_here(names[0], 60.0 * minutes, seed, guided, inside)
        return 0
    if keep and not guided:
        raise click.UsageError("--keep is for coverage-guided fuzzing: pip install -e '.[fuzz]', without --plain")
    names = names or tuple(sorted(TARGETS))
    table = Table(title=f"{minutes:g} min each, {'coverage-guided' if guided else 'random mutations'}")
    for heading in ("target", "inputs", "inputs/s", "found"):
        table.add_column(heading, justify="right")
    fell = False
    with progress() as show:
        for number, name in enumerate(names):
            show(name, number / len(names))
            count, found = _fuzz_apart(name, minutes, seed, plain, keep)
            fell |= bool(found)
            table.add_row(name, str(count), f"{count / (60.0 * minutes):.0f}", found or "nothing")
    Console(width=180).print(table)
    return int(fell)


def _fuzz_apart(name: str, minutes: float, seed: int, plain: bool, keep: bool) -> tuple[int, str]:
    """Fuzz one target in a process; inputs read, and what has brought it down."""
    with tempfile.TemporaryDirectory(prefix="streamfit-fuzz-") as folder:
        notes, log = Path(folder) / "last", Path(folder) / "log"
        arguments = [name, "--minutes", str(minutes), "--seed", str(seed), "--inside", str(notes)]
        with log.open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, __file__, *arguments, *(["--plain"] if plain else [])], stdout=output, stderr=output
            )
            try:
                code = child.wait(60.0 * minutes + GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                code = child.wait()
        count = notes.with_suffix(".count")
        inputs = int(count.read_text()) if count.exists() else 0
        if code == 0:
            if keep:
                subprocess.run([sys.executable, __file__, name, "--keep", "--inside", str(notes)], check=True)
            return inputs, ""
        if not notes.exists():
            return inputs, log.read_text(errors="replace")[-300:]
        payload = notes.read_bytes()
        kept = _kept(name, payload)
        last = (log.read_text(errors="replace").strip().splitlines() or [f"exit code {code}"])[-1]
        return inputs, f"{kept.relative_to(TESTS)}: {last[:120]}"


def _kept(name: str, payload: bytes) -> Path:
    path = CORPUS / name / hashlib.sha1(payload).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(payload)
    return path


def _distil(name: str, notes: Path) -> None:
    """Keep of what fuzzing has found the inputs that reach lines which neither the seeds nor smaller ones do."""
    target = TARGETS[name]
    reached: set[tuple[str, int]] = set()
    for payload in (*target.seeds(), *corpus(name)):
        reached |= _lines(target.read, payload)
    found = [path.read_bytes() for path in (notes.parent / "seeds").iterdir()]
    for payload in sorted((p for p in found if len(p) <= LARGEST), key=lambda p: (len(p), p)):
        lines = _lines(target.read, payload)
        if not lines <= reached:
            reached |= lines
            _kept(name, payload)


def _lines(read: Callable[[bytes], None], payload: bytes) -> set[tuple[str, int]]:
    """The lines of ours that reading it comes by."""
    lines = set()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        if "streamfit" not in Path(file).parts:
            return None
        lines.add((file, frame.f_lineno))
        return trace

    sys.settrace(trace)
    with suppress(Exception):  # that it raises only what it may has been seen before
        read(payload)
    sys.settrace(None)
    return lines


def _fuzz_here(name: str, seconds: float, seed: int, guided: bool, notes: Path) -> None:
    """Until the time is over; `notes` holds the input that is being read, whatever happens."""
    target, end = TARGETS[name], time.monotonic() + seconds
    seeds, kept = target.seeds(), corpus(name)
    count = 0

    def one(payload: bytes) -> None:
        nonlocal count
        count += 1
        notes.write_bytes(payload)
        signal.alarm(SLOW)
        target(payload)
        signal.alarm(0)
        if count % 100 == 0:
            notes.with_suffix(".count").write_text(str(count))

    for payload in seeds:
        one(payload) if name == "config" else target.read(payload)
    for payload in kept:
        one(payload)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))
    if guided:
        _guided(one, seeds + kept, seconds, seed, notes.parent)
        return
    for payload in mutations(seeds + kept, random.Random(seed)):
        if time.monotonic() > end:
            return
        one(payload)


def _guided(one: Callable[[bytes], None], seeds: list[bytes], seconds: float, seed: int, folder: Path) -> None:
    import atheris  # the readers are instrumented, not the libraries that they stand on

    for module in [name for name in sys.modules if name.startswith("streamfit.")]:
        for value in vars(sys.modules[module]).values():
            if isinstance(value, FunctionType) and value.__module__ == module:
                value.__code__ = atheris.instrument_func(value).__code__
    for number, payload in enumerate(seeds):
        (folder / "seeds").mkdir(exist_ok=True)
        (folder / "seeds" / str(number)).write_bytes(payload)
    options = [
        f"-max_total_time={round(seconds)}",
        f"-seed={seed}",
        "-rss_limit_mb=0",
        "-max_len=65536",
        "-verbosity=0",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder / "seeds")], one)
    atheris.Fuzz()


if __name__ == "__main__":
    run(fuzz)
