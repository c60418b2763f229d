"""A room with real processes survives the main faults, and what does not reach a figure is said."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.chaos import faults
from benchmarks.chaos.room_processes import Answer

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos" / "room.py"


@pytest.mark.alone
def test_the_main_faults_do_no_lasting_harm() -> None:
    done = subprocess.run(
        [sys.executable, str(CHAOS), "--short", "--cameras", "4", "--rate", "30"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("(<= ") == 4


def test_what_is_lost_and_what_is_late_is_missed() -> None:
    """Of an instant each 10 ms every fourth and one `seq` are lost, and the person is tracked after two seconds."""
    answers: list[Answer] = []
    room = SimpleNamespace(
        rate=100.0,
        usual=lambda: (4, 0.01),
        ask=lambda _: {"result": {"sessions": {}}},
        watcher=SimpleNamespace(between=lambda begin, end: answers, first=lambda since, wanted: answers[-1]),
    )
    spell = faults.Spell(room, faults.Outcome("nothing"))
    begin = spell._begin = spell._begin - 4.0
    for i in range(300):
        seq = i + (i > 100)
        answers.append(Answer(begin + i / 75, i / 75, seq, 4, "tracking", 0.01))
    spell.recovered(answers[-1].received - 2.0, 1.0, lambda a: True)
    outcome = spell.end()
    assert outcome.gaps == 1
    assert 100 <= outcome.lost <= 140
    assert outcome.missed == [
        "well again within 1 s",
        "no gap in the sequence",
        "at most 2% of the instants lost",
    ]
