#!/usr/bin/env python
"""What is said of recordings as they are played live: states and alarms, and when.

    benchmarks/accuracy/alarms.py FILE.mcap [FILE.mcap ...] [--subject SUBJECT.toml] [--no-fit]

The engine without sockets, on a clock that is told: as fast as it goes. With `--no-fit` nothing is fitted, and what
comes in is examined all the same.
"""

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamfit.daemon.monitoring.alarms import Watched
from streamfit.daemon.monitoring.checks import session_conditions
from streamfit.daemon.monitoring.examination import Examination
from streamfit.daemon.sessions.session import Session
from streamfit.engine.engine import Engine
from streamfit.engine.frame_assembler import Instant
from streamfit.engine.setup import Setup
from streamfit.errors import InputError
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject
from streamfit.protocol.ingest import KeypointsMessage, decode_ingest
from streamfit.recording.mcap_file import read_session

LOOK = 0.25  # s
AFTER = 0.3  # s that nothing comes, at the end


@dataclass
class Played:
    """What was said: how many instants had which state, and what alarms came when (s after the first message)."""

    states: Counter[str] = field(default_factory=Counter)
    alarms: dict[str, tuple[float, str]] = field(default_factory=dict)
    explained: list[float] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        total = max(1, self.states.total())
        shares = ", ".join(f"{state} {count / total:.0%}" for state, count in self.states.most_common())
        explained = f"; explained {min(self.explained):.2f} at least" if self.explained else ""
        yield f"{shares or 'no state'}{explained}; {len(self.alarms)} alarms"
        for when, text in self.alarms.values():
            yield f"    {when:5.1f} s  {text}"


def play(path: Path, skeleton: Skeleton, subject: Path | None = None, fit: bool = True) -> Played:
    """Play a recording. InputError where it cannot be used."""
    file = read_session(path)
    rig, keypoints = Rig.from_toml(file.cameras_toml, str(path)), KeypointSet.from_toml(file.keypoints_toml, str(path))
    someone = Subject.load(subject, skeleton, keypoints) if subject else Subject.generic(skeleton, keypoints)
    name = subject.name if subject else "the subject"
    messages = [(m.log_time / 1e9, decode_ingest(m.payload)) for m in file.messages({"keypoints"})]
    views = [(at, message) for at, message in messages if isinstance(message, KeypointsMessage)]
    return play_messages(views, Setup(skeleton, rig, keypoints, someone, None, name), fit)


def play_messages(messages: list[tuple[float, KeypointsMessage]], setup: Setup, fit: bool = True) -> Played:
    """Play messages, each at its arrival (s)."""
    now = [0.0]
    engine = Engine("s", setup, clock=lambda: now[0])
    session = Session("s", setup, engine, lambda: None)
    session.opened = session.last_message = 0.0
    watched, out = Watched("s", examination=Examination(lambda job: job())), Played()
    first, looked = messages[0][0], 0.0

    def pass_to(until: float) -> None:
        nonlocal looked
        while looked + LOOK <= until:
            looked += LOOK
            wait(looked)
            causes = watched.examination.look(session, looked)
            watched.take(session_conditions(session, watched.told, watched.growth, looked, causes), looked)
            for key, alarm in watched.told.items():
                out.alarms.setdefault(key, (looked, alarm.text()))
        wait(until)

    def wait(until: float) -> None:
        now[0] = until
        solve(engine.due(until).instants)

    def solve(instants: list[Instant]) -> None:
        for instant in instants:
            for answers in engine.solve([instant]) if fit else ():
                out.states.update(answer.payload["state"] for answer in answers if answer.kind == "kinematics")
            out.explained += [x for x in engine.snapshot().fit.explained.values() if x == x]

    for arrival, message in messages:
        pass_to(arrival - first)
        session.last_message, session.last_t = arrival - first, message.t
        solve(engine.take(message, arrival - first).instants)
    pass_to(messages[-1][0] - first + AFTER)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--subject", type=Path)
    parser.add_argument("--no-fit", action="store_true")
    arguments: Any = parser.parse_args()
    logging.disable()  # what is told is printed
    skeleton = Skeleton.load()
    for path in arguments.recordings:
        try:
            lines = play(path, skeleton, arguments.subject, not arguments.no_fit).lines()
        except InputError as error:
            lines = iter([str(error)])
        print(f"{path.parent.name}/{path.name}: " + "\n".join(lines), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
