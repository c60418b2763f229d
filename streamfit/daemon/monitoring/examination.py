"""Examine what a session receives, now and then on a thread of its own, by trying what may be wrong."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from streamfit.daemon.sessions.session import Session
from streamfit.engine.frame_assembler import Instant
from streamfit.estimation.quality.check_inputs import Cause, InputCheck
from streamfit.estimation.quality.check_names import Seen, named_anew, named_apart
from streamfit.model.camera import Rig
from streamfit.model.subject import Subject

OFTEN, SELDOM, LONGEST = 1.0, 2.0, 16.0
"""s between two looks: while something may be wrong, and while all is well; at most, where much was tried in vain."""
COSTLY = 0.15
"""s of the thread's time from which a look in vain makes the next one wait longer."""
FIRST = 3
"""Looks at which everything is tried, however well it looks."""
SPAN, NAMES_SPAN = 1.5, 10.0
"""s of views that are looked at, and of names."""
FEWEST = 3
"""Instants."""
LATEST, NAMED = 24, 100
"""Instants that are looked at, spread evenly over those spans."""
UNEXPLAINED = 0.5
"""Share of the points that the fit explains, below which something may be wrong."""
REST_S = 0.005
"""s after each fault that was tried, some 4 ms of work: who waits for answers goes first."""

Job = Callable[[], tuple[Cause, ...]]


def beside(job: Callable[[], None]) -> None:
    """Run on a thread which nothing waits for.

    Its priority is the others': of a lower one, on busy cores, it would be kept from running while it holds the
    interpreter's lock, and everybody with it.
    """
    threading.Thread(target=job, name="examination", daemon=True).start()


class Examination:
    """What is wrong with what one session receives. `look` is to be called several times a second; `run` runs a job."""

    def __init__(self, run: Callable[[Callable[[], None]], None] = beside) -> None:
        self._run = run
        self._check: tuple[Rig, Subject, InputCheck] | None = None
        self._found: tuple[Cause, ...] = ()
        self._confirmed: tuple[Cause, ...] = ()
        self._running = False
        self._looks = 0
        self._due = 0.0
        self._wait = OFTEN
        self._last_t = -np.inf

    def look(self, session: Session, now: float) -> tuple[Cause, ...]:
        """The causes that two looks in a row have found."""
        if self._running or now < self._due:
            return self._confirmed
        instants = session.engine.instants_lately(NAMES_SPAN)
        if len(instants) < FEWEST or instants[-1].t - instants[0].t < 0.3 or instants[-1].t == self._last_t:
            if now - self._due > SELDOM:
                self._found = self._confirmed = ()  # nothing comes any more
            return self._confirmed
        self._last_t = instants[-1].t
        fit = session.engine.snapshot().fit
        doubtful = any(state == "lost" for state in fit.states.values())
        doubtful |= any(fraction < UNEXPLAINED for fraction in fit.explained.values())
        thorough = self._looks < FIRST or doubtful
        self._looks += 1
        self._running, self._due = True, now + self._wait
        self._run(lambda: self._examine(session, instants, thorough, now))
        return self._confirmed

    def _examine(self, session: Session, instants: Sequence[Instant], thorough: bool, now: float) -> None:
        """One look, on a thread of its own: nothing else writes here until it is done."""
        began = time.thread_time()
        try:
            check = self._check_of(session)
            found = causes(instants, check, thorough)
        finally:
            self._running = False
        cost = time.thread_time() - began
        keys = {cause.key for cause in self._found}
        self._confirmed = tuple(cause for cause in found if cause.key in keys)
        settled = {cause.key for cause in found} == keys
        self._found = found
        if found or not settled or self._looks <= FIRST:
            self._wait = OFTEN
        elif cost > COSTLY:
            self._wait = min(LONGEST, 2.0 * self._wait)
        else:
            self._wait = SELDOM
        self._due = now + self._wait

    def _check_of(self, session: Session) -> InputCheck:
        rig, subject = session.engine.rig, session.setup.subject
        if self._check is None or self._check[0] is not rig or self._check[1] is not subject:
            setup, keypoints = session.setup, session.engine.keypoints
            made = InputCheck(setup.skeleton, rig, keypoints, subject, setup.subject_name, lambda: time.sleep(REST_S))
            self._check = (rig, subject, made)
        return self._check[2]


def causes(instants: Sequence[Instant], check: InputCheck, thorough: bool) -> tuple[Cause, ...]:
    """What is wrong with the latest instants (names: with all of them)."""
    if (anew := named_anew(_seen(_spread(instants, NAMED)))) is not None:
        return (anew,)
    since = instants[-1].t - SPAN
    latest = _spread([i for i in instants if i.t >= since], LATEST)
    if (apart := named_apart(_seen(latest), check)) is not None:
        return (apart,)
    persons = Counter(view.person for i in latest for view in i.views)
    if not persons:
        return ()
    cause = check.cause(views_of(latest, persons.most_common(1)[0][0], len(check.rig.names)), thorough)
    return () if cause is None else (cause,)


def _spread(instants: Sequence[Instant], most: int) -> list[Instant]:
    """At most so many of them, evenly, with the first and the last."""
    chosen = np.unique(np.linspace(0, len(instants) - 1, min(most, len(instants))).astype(int))
    return [instants[i] for i in chosen]


def _seen(instants: Sequence[Instant]) -> list[tuple[float, list[Seen]]]:
    return [(i.t, [(view.camera, view.person, view.xyc) for view in i.views]) for i in instants]


def views_of(instants: Sequence[Instant], person: str, cameras: int) -> np.ndarray:
    """The views (N, C, K, 3) of a person, 0 where there is none."""
    mine = [[view for view in i.views if view.person == person] for i in instants]
    shape = next(view.xyc.shape for views in mine for view in views)
    out = np.zeros((len(mine), cameras, *shape))
    for row, views in zip(out, mine, strict=True):
        for view in views:
            row[view.camera] = view.xyc
    return out
