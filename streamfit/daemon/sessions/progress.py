"""Progress of the calibration of a running session."""

from dataclasses import dataclass


@dataclass
class Progress:
    """What the status says of a calibration: `state` is "running", "done", "poor" or "failed", `share` 0..1."""

    state: str
    person: str
    seconds: float
    what: str = "starting"
    share: float = 0.0
    message: str = ""
