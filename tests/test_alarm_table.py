"""Every alarm that the code can give stands in the docs, and no other."""

import re
from pathlib import Path

import numpy as np

from streamfit.daemon.monitoring.checks import UNUSABLE
from streamfit.estimation.quality.check_inputs import NOBODY
from streamfit.estimation.quality.input_faults import name_faults, picture_faults, side_faults
from streamfit.model.camera import Rig

ROOT = Path(__file__).parents[1]
CODE = [ROOT / "streamfit" / name for name in ("daemon/monitoring/checks.py", "daemon/monitoring/alarms.py")]
CHECKS = [ROOT / "streamfit" / "estimation" / "quality" / name for name in ("check_inputs.py", "check_names.py")]


def in_the_docs() -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "alarms.md").read_text(), re.MULTILINE))


def in_the_code(rig: Rig) -> set[str]:
    told = {key for path in CODE for key in re.findall(r'Condition\(\s*f?"([a-z ]+?) ?["{]', path.read_text())}
    told |= {
        re.match("[a-z]+", key).group() for path in CODE for key in re.findall(r'key.*= f"([^"]+)"', path.read_text())
    }
    causes = {key for path in CHECKS for key in re.findall(r'(?:Cause|Fault)\(\s*"([a-z ]+)"', path.read_text())}
    twins = np.array([1, 0])
    faults = [*picture_faults(rig, [0], twins), *side_faults(rig, [0], twins), *name_faults(rig)]
    causes |= {NOBODY.key, *(fault.key for fault in faults)}
    return (told - {"input"}) | set(UNUSABLE) | {f"input {key}" for key in causes}


def test_the_table_has_every_alarm_and_no_other(rig: Rig) -> None:
    assert in_the_code(rig) == in_the_docs()
