"""The daemon's status message."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from streamfit.daemon.sessions.registry import Sessions
from streamfit.daemon.sessions.session import Session
from streamfit.engine.camera_stream import RECENT
from streamfit.protocol import schema
from streamfit.protocol.codec import VERSION

SESSIONS_POLL_S = 0.1
"""s between two looks for a change."""
STATUS = 1.0
"""s between two messages where nothing changes."""
SPARING = 50.0
"""Times what the last message took until the next, however much changes meanwhile."""


@dataclass
class Health:
    """The daemon as a whole: `state` is "starting", "ready" or "stopping"; `compilations` since ready,
    `late_compilations` those of them that kept an answer waiting.

    `rejected` and `details` are of messages that belong to no session; `alarms` by what they are about.
    """

    state: Literal["starting", "ready", "stopping"] = "starting"
    started: float = field(default_factory=time.monotonic)
    compilations: int = 0
    late_compilations: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)


def status(health: Health, sessions: Sessions | None, alarms: list[str]) -> schema.Status:
    """The payload of the `status` topic but for `seq`."""
    by_name = sessions.by_name if sessions else {}
    return {
        "v": VERSION,
        "type": "status",
        "state": health.state,
        "uptime": time.monotonic() - health.started,
        "compilations": health.compilations,
        "rejected": dict(health.rejected),
        "details": dict(health.details),
        "alarms": alarms,
        "sessions": {name: session_status(session) for name, session in by_name.items()},
    }


def session_status(session: Session) -> schema.SessionStatus:
    """What the status says of one session. Times in s, residuals in px.

    A camera's `offset_t` is how far its clock is ahead of the median camera's, `drift` (s/s) how that grows; both are
    None before the person has moved enough to tell.
    """
    snapshot = session.engine.snapshot()
    fit, clocks = snapshot.fit, snapshot.fit.clocks
    known, sd = clocks.known.tolist(), clocks.sd.tolist()
    p50, p99 = latency_percentiles(session)
    rejected = dict(snapshot.rejected)
    if fit.too_late:
        rejected["too_late"] = fit.too_late
    return {
        "cameras": {
            camera.name: {
                "rate": camera.rate,
                "dropped": camera.dropped,
                "late": camera.late,
                "rms_px": _known(fit.rms_px[i]),
                "offset_t": -float(clocks.offset[i]) if known[i] else None,
                "offset_sd": sd[i],
                "drift": -float(clocks.drift[i]) if known[i] else None,
                "exchanged": float(fit.exchanged[i]),
            }
            for i, camera in enumerate(snapshot.cameras)
        },
        "persons": dict(fit.states),
        "sync": "free" if snapshot.free else "triggered",
        "fps": _fps(session.turns, time.monotonic()),
        "answered": session.answered,
        "skipped": session.backlog.skipped,
        "failures": fit.failures + session.lost,
        "latency_p50": p50,
        "latency_p99": p99,
        "rejected": rejected,
        "details": dict(snapshot.details),
        "calibration": vars(session.calibration) if session.calibration else None,
        "recording": session.recording.status() if session.recording else None,
    }


def changes(health: Health, sessions: Sessions | None) -> tuple[object, ...]:
    """What makes a status worth sending at once when it is another than before."""
    seen = []
    for name, session in sessions.by_name.items() if sessions else ():
        snapshot, calibration = session.engine.snapshot(), session.calibration and session.calibration.state
        seen.append((name, snapshot.free, (*snapshot.fit.states.items(),), (*snapshot.rejected,), calibration))
    return health.state, tuple(health.rejected), tuple(seen)


async def keep_telling(seen: Callable[[], object], tell: Callable[[], object]) -> None:
    """Tell every second, and when what is seen has changed: as often then as it is cheap. For ever."""
    last, told, took = None, float("-inf"), 0.0
    while True:
        now, new = time.monotonic(), seen()
        if now - told >= STATUS or (new != last and now - told >= SPARING * took):
            last, told = new, now
            tell()
            took = time.monotonic() - now
        await asyncio.sleep(SESSIONS_POLL_S)


def latency_percentiles(session: Session) -> tuple[float | None, float | None]:
    """(p50, p99) of the latest answers, s; None before the first."""
    if not session.latencies:
        return None, None
    latencies = sorted(session.latencies)  # 40 us for 1024, NumPy takes 160
    p50, p99 = (latencies[math.ceil(share * len(latencies)) - 1] for share in (0.5, 0.99))
    return p50, p99


def _fps(answered: Iterable[tuple[float, int]], now: float) -> float:
    """Instants per second, of times and how many had been answered by then."""
    recent = [(t, count) for t, count in answered if now - t <= RECENT]
    if len(recent) < 2:
        return 0.0
    (begin, before), (end, after) = recent[0], recent[-1]
    return (after - before) / max(end - begin, 1e-6)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
