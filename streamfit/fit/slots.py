"""The host's side of the window: which instants and views it holds, and at what times."""

from __future__ import annotations

import numpy as np

from streamfit.fit.window import Slots
from streamfit.trajectory import Trajectory

EMPTY = -np.inf
"""The time of a slot that holds nothing."""
JOIN = 0.02
"""s: a view joins an instant no farther than this from it, else it is an instant of its own."""


class SlotTable:
    """N slots, each an instant with at most one view per camera. Positions are fixed while a slot is held."""

    def __init__(self, slots: int, cameras: int, keypoints: int, persistence: float) -> None:
        self.seen = np.zeros((slots, cameras, keypoints, 3), np.float32)
        self.t = np.full(slots, EMPTY)
        self._view_t = np.full((slots, cameras), EMPTY)
        self._share = np.zeros((slots, cameras))
        self._solved = np.zeros(slots, bool)
        self._memory = 2.0 * persistence

    def clear(self) -> None:
        for slot in range(len(self.t)):
            self._free(slot)

    def give_up(self, before: float, spline: Trajectory) -> np.ndarray:
        """Free the slots older than `before`; their weights (N, M) in `spline` (rows of the others are zero)."""
        weights = np.zeros((len(self.t), spline.controls))
        for slot in np.flatnonzero((self.t < before) & (self.t > EMPTY)):
            if self._solved[slot]:
                weights[slot] = spline.weights(self.t[slot])
            self._free(int(slot))
        return weights

    def place(
        self, camera: int, t: float, xyc: np.ndarray, gap: float, spline: Trajectory, given_up: np.ndarray
    ) -> int | None:
        """Put a view where it belongs and say in which slot; `None` where there is no room for it.

        `gap` is the time since that camera's view before. A slot that must make room is noted in `given_up`,
        by its weights in `spline` (the window of the last solve).
        """
        distance = np.where(self._view_t[:, camera] == EMPTY, np.abs(self.t - t), np.inf)
        near = int(distance.argmin())
        slot = near if distance[near] <= JOIN else self._open(t, spline, given_up)
        if slot is None:
            return None
        self.seen[slot, camera] = xyc
        self._view_t[slot, camera] = t
        self._share[slot, camera] = gap / (gap + self._memory)
        return slot

    def lay_out(self, spline: Trajectory, given_up: np.ndarray) -> Slots:
        """The slots as the compiled step takes them, in the window `spline`; they count as solved from now on."""
        held = self.t > EMPTY
        weights = np.zeros((len(self.t), spline.controls))
        weights[held] = spline.weights(self.t[held])
        ahead = np.zeros((*self._view_t.shape, spline.controls))
        apart = (self._view_t > EMPTY) & (self._view_t != self.t[:, None])
        if apart.any():
            slot, _ = np.nonzero(apart)
            ahead[apart] = spline.weights(self._view_t[apart]) - weights[slot]
        self._solved = held.copy()
        return Slots(self.seen, weights, ahead, self._share, given_up)

    def nearest(self, t: float) -> int:
        """The slot nearest to a time."""
        return int(np.abs(self.t - t).argmin())

    def _open(self, t: float, spline: Trajectory, given_up: np.ndarray) -> int | None:
        empty = np.flatnonzero(self.t == EMPTY)
        if empty.size:
            slot = int(empty[0])
        else:
            slot = int(np.argmin(np.where(self._solved, self.t, np.inf)))
            if not self._solved[slot] or self.t[slot] > t:
                return None
            given_up[slot] = spline.weights(self.t[slot])
            self._free(slot)
        self.t[slot] = t
        return slot

    def _free(self, slot: int) -> None:
        self.seen[slot] = 0.0
        self.t[slot] = EMPTY
        self._view_t[slot] = EMPTY
        self._share[slot] = 0.0
        self._solved[slot] = False
