"""What the engine gives out of itself: frozen, and never written again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from streamfit.engine.association import Prediction
from streamfit.engine.camera_stream import CameraStream
from streamfit.estimation.live.clock_sync import ClockReading
from streamfit.estimation.live_solver import LiveState
from streamfit.model.subject import Subject


@dataclass(frozen=True, eq=False)
class FitSnapshot:
    """The fits of a session's persons after the solver's last turn.

    By person: `states` how each is followed, `explained` which fraction of the confident points of the last second is
    within what the noise allows (NaN while nothing is known), `subjects` the body that is fitted. `failures` counts
    the instants that could not be fitted, `too_late` the views that came after the window had left their time. By
    camera (C,): `rms_px` mean residual lately, px, over `residuals` instants so far; `exchanged` fraction of its recent
    views that had left and right exchanged.
    """

    clocks: ClockReading
    rms_px: np.ndarray
    residuals: np.ndarray
    exchanged: np.ndarray
    states: Mapping[str, str] = field(default_factory=dict)
    explained: Mapping[str, float] = field(default_factory=dict)
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    tracks: Mapping[str, LiveState] = field(default_factory=dict)
    failures: int = 0
    too_late: int = 0

    def predict(self, t: float) -> dict[str, Prediction]:
        """Where each person who is followed will be at the capture time t, s."""
        out = {}
        for person, track in self.tracks.items():
            course, keypoints = track.course(), track.predict(t)
            if course is not None and keypoints is not None:
                out[person] = Prediction(keypoints, course.seen)
        return out


@dataclass(frozen=True)
class CameraSnapshot:
    """What a camera has sent. Times in s, on the engine's clock; `late` and `dropped` count views.

    `rate` is in views per second lately; `delay` the median of arrival less capture time, None before the first view;
    `astray` when a view last came that was far off the running times, and by how much.
    """

    name: str
    active: bool
    rate: float
    delay: float | None
    late: int
    dropped: int
    last_arrival: float
    astray: tuple[float, float] | None

    @staticmethod
    def of(name: str, stream: CameraStream, now: float) -> "CameraSnapshot":
        """That of a stream at the time `now`."""
        return CameraSnapshot(
            name=name,
            active=stream.active(now),
            rate=stream.rate(now),
            delay=stream.delay,
            late=stream.late,
            dropped=stream.dropped,
            last_arrival=stream.last_arrival,
            astray=stream.astray,
        )


@dataclass(frozen=True, eq=False)
class EngineSnapshot:
    """A session's input and its fits.

    `rejected` counts what was not used by reason, `details` says for each what it was last; `several` counts the
    messages with people whom nobody tells apart; `free` says that the cameras are not triggered together.
    """

    cameras: tuple[CameraSnapshot, ...]
    free: bool
    rejected: Mapping[str, int]
    details: Mapping[str, str]
    several: int
    fit: FitSnapshot
