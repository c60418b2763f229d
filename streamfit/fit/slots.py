"""The host's side of the window: which instants and views it holds, at what times, and which are linearised again."""

from __future__ import annotations

import numpy as np

from streamfit.fit.settings import FitSettings
from streamfit.fit.window import NOWHERE, Slots
from streamfit.trajectory import UniformSpline

EMPTY = -np.inf
"""The time of a slot that holds nothing."""
JOIN = 0.02
"""s: a view joins an instant no farther than this from it, else it is an instant of its own."""


class SlotTable:
    """N slots, each an instant with at most one view per camera. Positions are fixed while a slot is held."""

    def __init__(self, settings: FitSettings, cameras: int, keypoints: int) -> None:
        slots = settings.slots
        self.seen = np.zeros((slots, cameras, keypoints, 3), np.float32)
        self.t = [EMPTY] * slots
        self._view_t = np.full((slots, cameras), EMPTY)
        self._share = np.zeros((slots, cameras))
        self._solved = [False] * slots
        """Linearised since it was opened."""
        self._new = [False] * slots
        """Has views that have not been linearised."""
        self._memory = 2.0 * settings.persistence
        self._fresh = settings.fresh
        self._real = settings.real
        self.given_up = [NOWHERE] * slots

    def clear(self) -> None:
        for slot in range(len(self.t)):
            self._free(slot)

    def give_up(self, before: float, spline: UniformSpline) -> None:
        """Free the slots older than `before`; `spline` is the window of the last step."""
        for slot, t in enumerate(self.t):
            if EMPTY < t < before:
                self._leave(slot, spline)

    def place(self, camera: int, t: float, xyc: np.ndarray, gap: float, spline: UniformSpline) -> bool:
        """Put a view where it belongs; False where there is no room for it.

        `gap` is the time since that camera's view before, `spline` the window of the last step.
        """
        near, slot = JOIN, None
        for other, at in enumerate(self.t):
            if abs(at - t) <= near and self._view_t[other, camera] == EMPTY:
                near, slot = abs(at - t), other
        if slot is None:
            slot = self._open(t, spline)
        if slot is None:
            return False
        self.seen[slot, camera] = xyc
        self._view_t[slot, camera] = t
        self._share[slot, camera] = gap / (gap + self._memory)
        self._new[slot] = True
        return True

    def lay_out(self, spline: UniformSpline, first: int, shift: int, t: float, back: float) -> Slots:
        """The slots as the compiled step takes them, in the window `spline`; those that are linearised count as solved.

        These are `first`, those with new views, the latest, and last the oldest. `shift` is from the window before;
        readings are for the times `t` and `back`.
        """
        latest = sorted(range(len(self.t)), key=self.t.__getitem__, reverse=True)
        oldest = next((slot for slot in reversed(latest) if self.t[slot] > EMPTY), first)
        order = sorted(latest, key=lambda slot: (slot != first, not self._new[slot]))
        fresh = [*order[: self._fresh - 1], oldest]
        for slot in fresh:
            self._new[slot], self._solved[slot] = False, self.t[slot] > EMPTY
        given_up, self.given_up = self.given_up, [NOWHERE] * len(self.t)
        view_t, real = self._view_t[fresh], self._real
        return Slots(
            place=real([spline.place(t) if t > EMPTY else NOWHERE for t in self.t]),
            given_up=real(given_up),
            fresh=np.array(fresh),
            seen=real(self.seen[fresh]),
            view_place=real(np.where(view_t > EMPTY, spline.place(view_t), NOWHERE)),
            share=real(self._share[fresh]),
            shift=np.array(shift),
            at=real(spline.place(t)),
            back=real(spline.place(back)),
        )

    def nearest(self, t: float) -> int:
        """The slot nearest to a time."""
        return min(range(len(self.t)), key=lambda slot: abs(self.t[slot] - t))

    def _open(self, t: float, spline: UniformSpline) -> int | None:
        """An empty slot for that time, or that of the oldest solved instant before it."""
        if EMPTY in self.t:
            slot = self.t.index(EMPTY)
        else:
            solved = [slot for slot, is_solved in enumerate(self._solved) if is_solved]
            slot = min(solved, key=self.t.__getitem__, default=-1)
            if slot < 0 or self.t[slot] > t:
                return None
            self._leave(slot, spline)
        self.t[slot] = t
        return slot

    def _leave(self, slot: int, spline: UniformSpline) -> None:
        """Free a slot whose last linearisation stays in the window."""
        if self._solved[slot]:
            self.given_up[slot] = spline.place(self.t[slot])
        self._free(slot)

    def _free(self, slot: int) -> None:
        self.seen[slot] = 0.0
        self.t[slot] = EMPTY
        self._view_t[slot] = EMPTY
        self._share[slot] = 0.0
        self._solved[slot] = self._new[slot] = False
