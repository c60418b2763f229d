"""The host's side of the window: which instants and views it holds, at what times, and which are linearised again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamfit.estimation.live.sliding_window.window_types import NOWHERE, Newest, RelinearisationBatch
from streamfit.estimation.settings import FitSettings
from streamfit.model.spline import UniformSpline
from streamfit.shallow import shallow

EMPTY = -np.inf
"""The time of a slot that holds nothing."""
ROUNDING = 1e-9
"""s."""
JOIN = 0.02
"""s: a view joins an instant no farther than this from it, else it is an instant of its own."""


class MeasurementBuffer:
    """N slots, each an instant with at most one view per camera. Positions are fixed while a slot is held."""

    def __init__(self, settings: FitSettings, cameras: int, keypoints: int) -> None:
        slots = settings.capacity
        self.seen = np.zeros((slots, cameras, keypoints, 3), np.float32)
        self.t = [EMPTY] * slots
        self._view_t = np.full((slots, cameras), EMPTY)
        self._decorrelation = np.zeros((slots, cameras))
        self._solved = [False] * slots
        """Linearised since it was opened."""
        self._new = [False] * slots
        """Has views that have not been linearised."""
        self._memory = 2.0 * settings.persistence
        self._relinearised = settings.relinearised - 1
        self._real = settings.real
        self.given_up = [NOWHERE] * slots

    def copy(self) -> MeasurementBuffer:
        """Another that holds the same."""
        other = shallow(self)
        other.seen, other._view_t = self.seen.copy(), self._view_t.copy()
        other._decorrelation = self._decorrelation.copy()
        other.t, other._solved, other._new = self.t.copy(), self._solved.copy(), self._new.copy()
        other.given_up = self.given_up.copy()
        return other

    def clear(self) -> None:
        """Hold nothing."""
        for slot in range(len(self.t)):
            self._free(slot)
        self.given_up = [NOWHERE] * len(self.t)

    def give_up(self, before: float, spline: UniformSpline) -> None:
        """Free the slots older than `before`; `spline` is the window of the last step."""
        for slot, t in enumerate(self.t):
            if EMPTY < t < before:
                self._leave(slot, spline)

    def make_room(self, spline: UniformSpline, instants: int = 1) -> None:
        """Free slots for so many instants to come, as far as what they hold has been solved; `spline` is the window of
        the last step."""
        for _ in range(instants - self.t.count(EMPTY)):
            slot = self._oldest_solved()
            if slot is None:
                return
            self._leave(slot, spline)

    def open_for(self, t: float, times: Iterable[float]) -> int | None:
        """A slot for the instant t, where there is room and a view at one of those times will join it, not another."""
        known = any(abs(at - t) < ROUNDING for at in self.t)
        if known or EMPTY not in self.t:
            return None
        if not any(abs(time - t) <= JOIN and all(abs(time - t) < abs(time - at) for at in self.t) for time in times):
            return None
        slot = self.t.index(EMPTY)
        self.t[slot] = t
        return slot

    def place(self, camera: int, t: float, xyc: np.ndarray, gap: float, spline: UniformSpline) -> int | None:
        """Put a view into the slot where it belongs; None where there is no room for it.

        `gap` is the time since that camera's view before, `spline` the window of the last step.
        """
        near, slot = JOIN, None
        for other, at in enumerate(self.t):
            if abs(at - t) <= near and self._view_t[other, camera] == EMPTY:
                near, slot = abs(at - t), other
        if slot is None:
            slot = self._open(t, spline)
        if slot is None:
            return None
        self.seen[slot, camera] = xyc
        self._view_t[slot, camera] = t
        self._decorrelation[slot, camera] = gap / (gap + self._memory)
        self._new[slot] = True
        return slot

    def lay_out_newest(self, slot: int | None, spline: UniformSpline, t: float) -> Newest:
        """A slot as the step to the instant t takes it, in the window `spline`; None: nothing was seen of it."""
        real, at = self._real, self._real(spline.place(t))
        if slot is None:
            _, cameras, keypoints, _ = self.seen.shape
            unseen, nowhere = np.zeros((cameras, keypoints, 3), np.float32), np.full(cameras, NOWHERE)
            return Newest(
                real(unseen), real(nowhere), real(np.zeros(cameras)), real(NOWHERE), at, np.array(len(self.t))
            )
        self._new[slot], self._solved[slot] = False, True
        place, view_place = self._places(np.array(self.t[slot]), spline), self._places(self._view_t[slot], spline)
        return Newest(real(self.seen[slot]), view_place, real(self._decorrelation[slot]), place, at, np.array(slot))

    def lay_out(self, spline: UniformSpline, shift: int, back: float, but: int | None = None) -> RelinearisationBatch:
        """The slots as they are linearised for the instant to come, in the window `spline`; `but` is not.

        Those are the ones with new views, the latest, and last the oldest. `shift` is from the window before, in which
        `back` is the place of a reading.
        """
        held = [slot for slot in range(len(self.t)) if slot != but]
        latest = sorted(held, key=self.t.__getitem__, reverse=True)
        oldest = next((slot for slot in reversed(latest) if self.t[slot] > EMPTY), latest[0])
        relinearised = [*sorted(latest, key=lambda slot: not self._new[slot])[: self._relinearised - 1], oldest]
        for slot in relinearised:
            self._new[slot], self._solved[slot] = False, self.t[slot] > EMPTY
        given_up, self.given_up = self.given_up, [NOWHERE] * len(self.t)
        t = np.array(self.t)
        if but is not None:
            t[but] = EMPTY
        return RelinearisationBatch(
            place=self._places(t, spline),
            given_up=self._real(given_up),
            relinearised=np.array(relinearised),
            seen=self._real(self.seen[relinearised]),
            view_place=self._places(self._view_t[relinearised], spline),
            decorrelation=self._real(self._decorrelation[relinearised]),
            shift=np.array(shift),
            back=self._real(back),
        )

    def places(self, spline: UniformSpline) -> np.ndarray:
        """Where the slots (N,) are in a window; NOWHERE for those that hold nothing."""
        return self._places(np.array(self.t), spline)

    @property
    def has_room(self) -> bool:
        """Whether there is a slot for another instant."""
        return EMPTY in self.t

    @property
    def has_left(self) -> bool:
        """Whether a slot was given up since the last layout."""
        return any(place != NOWHERE for place in self.given_up)

    def _places(self, t: np.ndarray, spline: UniformSpline) -> np.ndarray:
        return self._real(np.where(t > EMPTY, spline.place(t), NOWHERE))

    def _open(self, t: float, spline: UniformSpline) -> int | None:
        """An empty slot for that time, or that of the oldest solved instant before it."""
        if EMPTY in self.t:
            slot = self.t.index(EMPTY)
        else:
            oldest = self._oldest_solved()
            if oldest is None or self.t[oldest] > t:
                return None
            slot = oldest
            self._leave(slot, spline)
        self.t[slot] = t
        return slot

    def _oldest_solved(self) -> int | None:
        solved = [slot for slot, is_solved in enumerate(self._solved) if is_solved]
        return min(solved, key=self.t.__getitem__, default=None)

    def _leave(self, slot: int, spline: UniformSpline) -> None:
        """Free a slot whose last linearisation stays in the window."""
        if self._solved[slot]:
            self.given_up[slot] = spline.place(self.t[slot])
        self._free(slot)

    def _free(self, slot: int) -> None:
        self.seen[slot] = 0.0
        self.t[slot] = EMPTY
        self._view_t[slot] = EMPTY
        self._decorrelation[slot] = 0.0
        self._solved[slot] = self._new[slot] = False
