"""Limit expensive requests, so that live fits keep their time."""

import time


class TokenBucket:
    """Seconds of work: `most` at once, and `share` of the time that passes after that."""

    def __init__(self, most: float, share: float):
        self._most, self._share = most, share
        self._left, self._since = most, time.monotonic()

    def wait(self) -> float:
        """How long until more work may begin, s; 0 where it may now."""
        now = time.monotonic()
        self._left = min(self._most, self._left + self._share * (now - self._since))
        self._since = now
        return max(0.0, -self._left / self._share)

    def spend(self, seconds: float) -> None:
        """So much work was done."""
        self._left -= seconds
