"""The persons of a session: a bounded number, each dropped after a long absence."""

MAX_PERSONS = 8
FORGET = 10.0  # s without a view; the only person of a session stays
ABSENT = 0.5  # s without a view after which a place goes to somebody new, where there is no other


class ActivePersons:
    """Who is in the session, and when each was seen last."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._replaced: list[str] = []

    @property
    def persons(self) -> tuple[str, ...]:
        """In the order of their first view."""
        return tuple(self._seen)

    def admit(self, person: str, now: float) -> bool:
        """Note that `person` was seen; False where there is no place for one more."""
        if person not in self._seen and len(self._seen) >= MAX_PERSONS:
            longest = min(self._seen, key=self._seen.__getitem__)
            if now - self._seen[longest] <= ABSENT:
                return False
            del self._seen[longest]
            self._replaced.append(longest)
        self._seen[person] = now
        return True

    def leave(self, now: float) -> list[str]:
        """Take those off the list who have been away for long; also those whose place was given to somebody else."""
        last = max(self._seen.values(), default=now)
        gone = [p for p, seen in self._seen.items() if now - seen > FORGET and seen < last]
        for person in gone:
            del self._seen[person]
        gone, self._replaced = self._replaced + gone, []
        return [person for person in gone if person not in self._seen]
