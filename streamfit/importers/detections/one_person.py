"""The detections of the one person that a recording is of, or why they cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamfit.errors import InputError
from streamfit.importers.detections.people import Group, PeopleFinder, candidates
from streamfit.importers.detections.timeline import Instant, Nearest, Picture

CROWDED = 0.1
"""Share of a recording in which a second person may be seen as well as the first, or nobody be told from others."""
LOOKED_AT = 20
"""Instants from which it is seen whether the cameras agree about the person at all, and how large they are."""
MOST, WELL = 0.8, 0.03
"""Share of the cameras that see anybody, and error as a share of the person's size, with which cameras agree. Of 17
sound recordings, real and simulated, the median is 1.0 and 0.005 to 0.021; with two of their cameras exchanged 0.5 to
1.0 and up to 0.04, with all of them in the wrong order 0.25 to 1.0 and 0.02 to 0.06; 0.04 where cameras have moved.
"""
AGREEING = 0.5
"""Share of these in which they agree, at least, of a recording in which nothing is wrong."""
PERSON = (0.3, 4.0)
"""m across a person: less or more, and the calibration is in another unit."""
TRACK = 1.0
"""s for which the place where somebody was says who they are."""

People = Mapping[str, Mapping[float, np.ndarray]]
"""Of each camera, by its pictures' numbers, the detections (P, K, 3)."""


@dataclass
class _Count:
    """Instants of a recording."""

    several: int = 0
    crowded: int = 0
    unclear: int = 0
    left_out: int = 0
    pictures: dict[str, int] = field(default_factory=dict)
    most: int = 0


@dataclass(frozen=True, eq=False)
class OnePerson:
    """What one person's detection (K, 3) is in each picture by camera and number; and what to say of it."""

    views: dict[tuple[str, float], np.ndarray]
    notes: tuple[str, ...]


def one_person(
    people: People, instants: Sequence[Instant], finder: PeopleFinder, source: str, done: Callable[[float], None]
) -> OnePerson:
    """The one person of a recording. Raises InputError where there are several, or nobody can say who is who.

    Where a picture shows several, theirs is the detection about which most cameras agree (Pose2Sim calls it
    association), and of two that as many agree about the one who was there before. Bystanders whom half of the cameras
    see at most, and false detections, are left out; so are pictures in which it stays open who it is.
    """
    nearest = Nearest(picture for instant in instants for picture in instant.pictures)
    several = {
        (camera, number): candidates(found) for camera, pictures in people.items() for number, found in pictures.items()
    }
    count = _Count()
    views: dict[tuple[str, float], np.ndarray] = {}
    before: tuple[float, np.ndarray] | None = None
    for k, instant in enumerate(instants):
        done(k / len(instants))
        own = {key: several[key] for key in map(_key, instant.pictures)}
        if all(len(one) < 2 for one in own.values()):
            views |= {key: people[key[0]][key[1]][one[0]] for key, one in own.items() if len(one)}
            continue
        there = nearest.at(instant.t) | {picture.camera: picture for picture in instant.pictures}
        seen = {camera: people[camera][picture.number] for camera, picture in there.items()}
        groups = finder.groups(seen)
        _count(count, own, {camera: len(candidates(found)) for camera, found in seen.items()}, groups, len(people))
        seeing = sum(len(found) > 0 for found in seen.values())
        group = _who([group for group in groups if group.is_sure(seeing)], instant.t, before)
        before = (instant.t, group.centre) if group else before
        count.unclear += group is None
        for (camera, number), one in own.items():
            chosen = _which(camera, one, group, groups)
            count.left_out += chosen is None and len(one) > 0
            if chosen is not None:
                views[camera, number] = people[camera][number][chosen]
    _refuse(count, len(instants), source)
    return OnePerson(views, _notes(count))


def _key(picture: Picture) -> tuple[str, float]:
    return picture.camera, picture.number


def _who(groups: Sequence[Group], t: float, before: tuple[float, np.ndarray] | None) -> Group | None:
    most = [group for group in groups if 2 * len(group.chosen) > len(groups[0].chosen)]
    if before is None or t - before[0] > TRACK or len(most) < 2:
        return most[0] if most else None
    place = before[1]
    return min(most, key=lambda group: float(np.linalg.norm(group.centre - place)))


def _which(camera: str, one: np.ndarray, group: Group | None, groups: Sequence[Group]) -> int | None:
    """The person's detection in a picture of a camera, of those there; None where it is open which."""
    if group is not None and camera in group.chosen:
        return group.chosen[camera]
    somebody_else = any(camera in other.chosen for other in groups)
    return int(one[0]) if len(one) == 1 and not somebody_else else None


def _count(
    count: _Count,
    own: Mapping[tuple[str, float], np.ndarray],
    seen: Mapping[str, int],
    groups: Sequence[Group],
    cameras: int,
) -> None:
    count.several += 1
    for (camera, _), one in own.items():
        count.most = max(count.most, len(one))
        count.pictures[camera] = count.pictures.get(camera, 0) + (len(one) > 1)
    everywhere = [number for number in seen.values() if number]
    both = len(groups) > 1 and 2 * len(groups[1].chosen) > cameras
    count.crowded += both or (len(everywhere) > 1 and min(everywhere) > 1)


def _refuse(count: _Count, total: int, source: str) -> None:
    where = ", ".join(f"{camera} ({number} pictures)" for camera, number in count.pictures.items() if number)
    if count.crowded > CROWDED * total:
        raise InputError(
            f"{source}: several people: up to {count.most} in a picture, in {where}; in {count.crowded} of {total} "
            "instants two or more are seen by most cameras. A session is made of one: choose theirs first "
            "(Pose2Sim's personAssociation with multi_person = false writes pose-associated/, which is then read)"
        )
    if count.unclear > CROWDED * total:
        raise InputError(
            f"{source}: several detections in a picture, up to {count.most}, in {where}, and the cameras agree about "
            f"none of them in {count.unclear} of {total} instants: see that each folder is of the camera it is taken "
            "for (--map), or choose the person's detections first (pose-associated/)"
        )


def _notes(count: _Count) -> tuple[str, ...]:
    pictures = sum(count.pictures.values())
    if not pictures:
        return ()
    out = f", {count.left_out} pictures in which that is open left out" if count.left_out else ""
    return (f"in {pictures} pictures are several people: the one whom most cameras see was taken{out}",)


def check_agreement(people: People, instants: Sequence[Instant], finder: PeopleFinder) -> tuple[float, float | None]:
    """The share of instants in which the cameras agree about somebody, and how large they are, m (median).

    Of at most `LOOKED_AT` instants in which two cameras see anybody; 1 and None where there are none.
    """
    nearest = Nearest(picture for instant in instants for picture in instant.pictures)
    found: list[Group | None] = []
    agreeing = 0
    for k in np.unique(np.linspace(0, len(instants) - 1, LOOKED_AT).astype(int)):
        there = {camera: people[camera][picture.number] for camera, picture in nearest.at(instants[k].t).items()}
        seen = {camera: one for camera, one in there.items() if len(one)}
        if len(seen) > 1:
            found.append(next(iter(finder.groups(seen)), None))
            agreeing += found[-1] is not None and _agree(found[-1], len(seen))
    extents = [group.extent for group in found if group]
    return agreeing / len(found) if found else 1.0, float(np.median(extents)) if extents else None


def _agree(group: Group, seeing: int) -> bool:
    return len(group.chosen) >= MOST * seeing and group.error < WELL
