"""Check that the names that detectors give to people are consistent over time and across cameras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from streamfit.estimation.quality.check_inputs import Cause, InputCheck

Seen: TypeAlias = tuple[int, str, np.ndarray]
"""One person in one camera: its index, their name, their keypoints (K, 3)."""
AT_ONCE, AGAIN = 0.5, 3
"""s within which one name follows another, and how often, to be one person who is named anew."""
LOOKED_AT = 6
"""Instants that are compared between cameras."""
MOSTLY = 0.6
"""Share of these with which another name goes better."""


def named_anew(instants: Sequence[tuple[float, Sequence[Seen]]]) -> Cause | None:
    """Whether names come as others go, again and again: a tracker that loses and finds the same person."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for t, views in instants:
        for _, person, _ in views:
            first.setdefault(person, t)
            last[person] = t
    if len(first) <= AGAIN:
        return None
    begin, end = instants[0][0], instants[-1][0]
    gone = sorted(t for t in last.values() if t < end - AT_ONCE)
    follows = 0
    for came in sorted(t for t in first.values() if t > begin + AT_ONCE):
        before = next((t for t in gone if abs(came - t) < AT_ONCE), None)
        if before is not None:
            gone.remove(before)
            follows += 1
    if follows < AGAIN:
        return None
    what = f"the detectors name people anew again and again ({len(first)} names in {end - begin:.0f} s)"
    return Cause("names anew", what, "send a name only of whom they know, and keep to it")


def named_apart(instants: Sequence[tuple[float, Sequence[Seen]]], check: InputCheck) -> Cause | None:
    """Whether the views of one person go by other names in other cameras."""
    names = {person for _, views in instants for _, person, _ in views}
    if len(names) < 2:
        return None
    rows = [_by_camera(views) for _, views in instants]
    rows = [row for row in rows if len(row) >= 2]
    if not rows:
        return None
    rows = [rows[i] for i in np.unique(np.round(np.linspace(0, len(rows) - 1, LOOKED_AT)).astype(int))]
    found, others = [], 0
    for row in rows:
        camera = next(iter(row))
        name = next(iter(row[camera]))
        together = {camera: (name, row[camera][name])}
        for other, people in row.items():
            if other != camera:
                own = {who: check.apart(camera, row[camera][name], other, xyc) for who, xyc in people.items()}
                who = min(own, key=lambda person: own[person])
                together[other] = (who, people[who])
        others += len({who for who, _ in together.values()}) > 1
        found.append(together)
    if others < MOSTLY * len(rows):
        return None
    seen = np.zeros((len(found), len(check.rig.names), *next(iter(rows[0][next(iter(rows[0]))].values())).shape))
    for merged, together in zip(seen, found, strict=True):
        for camera, (_, xyc) in together.items():
            merged[camera] = xyc
    if not check.agreed(seen):
        return None
    told = ", ".join(f"{check.rig.names[camera]} says {who!r}" for camera, (who, _) in sorted(found[-1].items())[:4])
    what = f"the cameras name the same person differently ({told})"
    return Cause("names apart", what, "one person needs one name in all cameras; where nobody knows, send no name")


def _by_camera(views: Sequence[Seen]) -> dict[int, dict[str, np.ndarray]]:
    out: dict[int, dict[str, np.ndarray]] = {}
    for camera, person, xyc in sorted(views, key=lambda view: (view[0], view[1])):
        out.setdefault(camera, {})[person] = xyc
    return out
