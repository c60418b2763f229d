"""Quick copies of small objects."""

from typing import TypeVar

T = TypeVar("T")


def shallow(one: T) -> T:
    """Another with the same attributes: what `copy.copy` does, several times as quick. Not for classes with slots."""
    other = object.__new__(type(one))
    other.__dict__.update(one.__dict__)
    return other
