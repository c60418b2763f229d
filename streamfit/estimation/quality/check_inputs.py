"""Name what is wrong with the views that come in, by trying what would mend them.

Views of several cameras agree when the sight lines through what they see meet in points; the points are a person's
when they keep a person's distances. Where they are not, each likely fault is undone in turn: the one without which
views agree and somebody is there is the cause. It is named only where it wins clearly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from streamfit.estimation.estimate import USABLE_CONFIDENCE
from streamfit.estimation.init.sightlines import TYPICAL, Meeting, Sightlines
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.estimation.quality.diagnostics import median
from streamfit.estimation.quality.input_faults import (
    FINER,
    USUAL_SIZES,
    Fault,
    name_faults,
    picture_faults,
    resized,
    side_faults,
)
from streamfit.estimation.quality.person_shape import Build, PersonShape
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import REFERENCE_WIDTH, Rig
from streamfit.model.subject import Subject

MEETS = 30.0
"""px at 2048 wide within which a view goes with the others: cameras whose calibration is off by a degree are within."""
AGREE, APART = 0.5, 0.35
"""Share of the points from which the views agree, and below which they do not. Of the recordings known the worst (a rig
off by a degree) has 0.6, ghosts and noise 0.12."""
OUT = 0.35
"""The same share of a single camera's points, below which it is looked at by itself."""
WORSE = (1.8, 0.3)
"""Times the others' loss, and how much above it, from which a camera's pictures are tried by themselves."""
SOMEBODY = 0.2
"""Relative scatter of a body's distances up to which the points are a person's: people have 0.02 to 0.12, who sit
most."""
PEOPLE = (0.45, 2.3)
"""m: statures that people have."""
USUAL_STATURE, USUALLY = 1.65, 0.25
"""m, and the logarithm of by how much people are usually taller or shorter."""
SHAPE, UNLIKELY = 4.0, 2.0
"""What scatter of distances as large as these counts, and a person nobody can be (or left for right), against the mean
of log(1 + (error / TYPICAL)^2)."""
SHARES = 1.5
"""px within which all of a picture is no picture."""
OTHER_SIZE: dict[str, float] = {"subject": 0.05, "stature": 0.25}
"""Share by which somebody is another than who was calibrated, and than the stature that was given: sitting people, on a
body that only is scaled, come out a tenth smaller. The same person comes out within 3 %, with another rig too."""
OTHER_SHAPE = 0.05
"""Scatter of the distances from which it is somebody else of the same size: of who was calibrated it is 0.02, and 0.04
with a rig that is off by half a degree; of another 0.06 to 0.10."""
INSTANTS, POINTS = 6, 20
"""That faults are tried on."""
GAIN, CLEARLY = 0.6, 0.8
"""Times the misfit as sent that a fault's may be to be the cause, and times that of the next fault of another kind."""
GAINED = 0.25
"""By how much less it must be, too."""
HIDDEN = 1.0
"""Misfit of a fault's cameras from which it is tried though the views agree on somebody. Sound views have 0.4 to 0.65
on average; where sides are exchanged in one of two cameras, or two of six go by each other's names, it is above 1.2."""
TOLD = 36
"""Points, of the instants looked at, from which faults are tried: few points go together by chance."""
FEWEST = 12
"""Points seen by two cameras or more, of the instants looked at, from which anything is said."""
DISAGREE = 8.0
"""px at 2048 wide off the point between them at which two cameras disagree: with others' calibrations 1 to 5, with a
rig that is off by half a degree up to 20."""
NOISY = 1.5
"""Times the keypoints' usual noise that it must be, too."""
UNITS = (
    (1000.0, "in millimetres, not in metres"),
    (100.0, "in centimetres, not in metres"),
    (10.0, "in decimetres, or centimetres read as such"),
    (0.1, 'in centimetres, where units = "mm" is said'),
    (0.001, 'in metres, where units = "mm" is said'),
    (3.281, "in feet, not in metres"),
)
"""Times a rig may be too large, and why."""
NEAR_UNIT = 0.3
"""Logarithm of by how much a person's size may be another to say so."""


def _unusual(stature: float) -> float:
    """What a stature (m) counts that few have, or nobody."""
    if not PEOPLE[0] < stature < PEOPLE[1]:
        return UNLIKELY
    return max(0.0, abs(float(np.log(stature / USUAL_STATURE))) - USUALLY)


def known_build(subject: Subject) -> Literal["subject", "stature"] | None:
    """What is known of the person: the body that calibration found, or the stature; None where neither is."""
    if subject.fit.get("method") != "generic":
        return "subject"
    if subject.fit.get("measured"):
        return None
    return "stature" if any(factor != 1.0 for factor in subject.scale.values()) else None


@dataclass(frozen=True)
class Cause:
    """What is wrong, in words: `key` is the same as long as it is the same fault."""

    key: str
    what: str
    check: str
    camera: str | None = None

    @property
    def text(self) -> str:
        """One sentence."""
        who = f"{self.camera}: " if self.camera else ""
        return f"{who}{self.what[0].upper() if not who else self.what[0]}{self.what[1:]}: {self.check}."


class Score(NamedTuple):
    """How well views go together: the lower the `misfit`, the better. `median` px at 2048 wide."""

    loss: Float[np.ndarray, " C"]
    """Of each camera, NaN where it sees nothing."""
    unlikely: float
    """What counts against it that nobody has such a body."""
    agreed: float
    cameras: Float[np.ndarray, " C"]
    """Share of each camera's points that goes with the others; NaN where it sees nothing."""
    points: int
    median: float
    build: Build

    @property
    def misfit(self) -> float:
        """Mean loss of the views that were seen, plus what speaks against it otherwise."""
        seen = np.isfinite(self.loss)
        return float(self.loss[seen].mean()) + self.unlikely if seen.any() else np.inf

    @property
    def is_somebody(self) -> bool:
        """Whether the views agree on somebody who can be."""
        low, high = PEOPLE
        build = self.build
        handed = not build.handed < 0.5
        return self.agreed >= AGREE and build.scatter < SOMEBODY and low < build.stature < high and handed


def _misfit(score: Score, cameras: Sequence[int]) -> float:
    """That of some cameras; 0 where they see nothing."""
    loss = score.loss[list(cameras)]
    seen = np.isfinite(loss)
    return float(loss[seen].mean()) + score.unlikely if seen.any() else 0.0


NOBODY = Cause(
    "nobody",
    "nobody fits what the detectors send",
    "is anybody there? else check the keypoint set, and that cameras.toml is of these cameras as they stand now",
)


class InputCheck:
    """The check of one session's views, for one rig, keypoint set and subject (in a file `named` so)."""

    def __init__(
        self,
        skeleton: Skeleton,
        rig: Rig,
        keypoints: KeypointSet,
        subject: Subject,
        named: str = "the subject",
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        """`rest` is called after each fault that was tried: many are, and others may have work to do."""
        self.rig = subject.rig_for(rig)[0]
        self._lines = Sightlines(self.rig)
        self._shape = PersonShape(skeleton, keypoints, subject)
        self._mirror = mirrored(keypoints)
        self._noise = float(np.median(subject.noise))
        self._known = known_build(subject)
        self._named = named
        self._rest = rest

    def cause(self, seen: Float[np.ndarray, "N C K 3"], thorough: bool = True) -> Cause | None:
        """What is wrong with the views of some instants (px, px, confidence; 0 where missing); None where nothing is,
        or where too little is seen.

        Where the views agree on somebody faults are only tried if it is to be `thorough`: some can hardly be seen.
        """
        if (shares := self._shares(seen)) is not None:
            return shares
        seen, columns = self._sampled(seen)
        given = self._score(seen, columns)
        if given.points < FEWEST:
            return None
        well = given.agreed >= AGREE and not (given.cameras < OUT).any()
        well &= given.median < max(DISAGREE, NOISY * self._noise)
        well &= given.is_somebody or not given.build.is_known
        tried = given.points >= TOLD and (thorough or not well)
        # views that agree, but of too little to tell whose they are, leave nothing to be better at
        tried &= given.build.is_known or given.agreed < AGREE
        found = self._tried(seen, columns, given, HIDDEN if well else 0.0) if tried else None
        if found is not None:
            return found
        if well:
            return self._wrong_person(given)
        return NOBODY if given.agreed < APART else self._two_cameras(given)

    def agreed(self, seen: Float[np.ndarray, "N C K 3"]) -> bool:
        """Whether the views of some instants agree on somebody."""
        sampled, columns = self._sampled(seen)
        given = self._score(sampled, columns)
        return given.points >= FEWEST and given.is_somebody and not (given.cameras < OUT).any()

    def apart(self, one: int, first: np.ndarray, other: int, second: np.ndarray) -> float:
        """By how much the views (K, 3) of two cameras miss each other: px at 2048 wide, median; inf where not known."""
        seen = np.zeros((1, len(self.rig.names), *first.shape))
        seen[0, one], seen[0, other] = first, second
        met = self._lines.meet(self._lines.of(seen), seen[..., 2] >= USABLE_CONFIDENCE)
        known = met.error[np.isfinite(met.error)]
        return float(np.median(known)) if len(known) else np.inf

    def _shares(self, seen: np.ndarray) -> Cause | None:
        """Pictures that would be one pixel large."""
        present = seen[..., 2] >= USABLE_CONFIDENCE
        small = np.abs(seen[..., :2]).max(-1) <= SHARES
        counted = present.sum((0, 2))
        share = (small & present).sum((0, 2)) / np.maximum(counted, 1)
        cameras = np.flatnonzero((counted >= FEWEST) & (share > 0.9)).tolist()
        if not cameras:
            return None
        fault = next(f for f in picture_faults(self.rig, cameras, self._mirror, ()) if f.key == "shares")
        return Cause(fault.key, fault.what, fault.check)

    def _sampled(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A few of the instants and keypoints that tell most, and which keypoints these are."""
        present = seen[..., 2] >= USABLE_CONFIDENCE
        several = np.flatnonzero((present.sum(2) > 0).sum(1) >= 2)
        rows = several[np.unique(np.linspace(0, len(several), INSTANTS, endpoint=False).astype(int))[: len(several)]]
        often = np.maximum(present[rows].sum((0, 1)), 0) * (1.0 + np.minimum(self._shape.useful, 10))
        columns = np.sort(np.argsort(-often, kind="stable")[:POINTS])
        # a twin for each, so that sides can be exchanged
        columns = np.unique(np.concatenate([columns, self._mirror[columns]]))
        return seen[rows][:, :, columns], columns

    def _score(self, seen: np.ndarray, columns: np.ndarray) -> Score:
        present = seen[..., 2] >= USABLE_CONFIDENCE
        return self._scored(self._lines.meet(self._lines.of(seen), present), columns)

    def _scored(self, met: Meeting, columns: np.ndarray) -> Score:
        known = np.isfinite(met.error)
        within = known & (np.nan_to_num(met.error, nan=np.inf) < MEETS)
        count = known.sum((0, 2))
        cameras = np.where(count >= FEWEST / 2, within.sum((0, 2)) / np.maximum(count, 1), np.nan)
        loss = np.log1p(np.square(np.nan_to_num(met.error) / TYPICAL)) * known
        each = loss.sum((0, 2)) / np.maximum(count, 1)
        points = np.full((len(met.points), len(self._mirror), 3), np.nan)
        points[:, columns] = np.where((within.sum(1) >= 2)[..., None], met.points, np.nan)
        build = self._shape.of(points)
        unlikely = SHAPE * min(float(np.nan_to_num(build.scatter, nan=1.0)), 1.0)
        unlikely += UNLIKELY * bool(build.handed < 0.5) + _unusual(build.stature)
        agreed = float(within.sum() / max(1, known.sum()))
        middle = median(met.error)
        loss = np.where(count > 0, each, np.nan)
        return Score(loss, unlikely, agreed, cameras, int(known.any(1).sum()), middle, build)

    def _suspects(self, given: Score) -> list[int]:
        """Single cameras that may be wrong: of two either, of more those that go with the others worse than these."""
        loss = given.loss
        if len(loss) == 2:
            return [0, 1]
        usual = np.array([median(np.delete(loss, c)) for c in range(len(loss))])
        worse = (given.cameras < OUT) | (loss > WORSE[0] * usual + WORSE[1])
        return np.flatnonzero(worse).tolist() if worse.sum() <= max(1, len(loss) // 2) else []

    def _tried(self, seen: np.ndarray, columns: np.ndarray, given: Score, above: float) -> Cause | None:
        """The fault without which the views agree on somebody, where one wins clearly.

        Only faults of cameras whose misfit is `above` are tried.
        """
        every = self._faults(columns, self._suspects(given))
        faults = [fault for fault in every if _misfit(given, fault.cameras) > above]
        if len(self.rig.names) == 2 and given.agreed >= AGREE:
            # whatever two cameras see is nearly explained by some size of some picture
            usual = [fault for fault in faults if fault.size in USUAL_SIZES and len(fault.cameras) == 2]
            faults = [*(fault for fault in faults if fault.key != "resolution"), *usual]
        results = [self._undone(seen, columns, fault) for fault in faults]
        sized = [one for one in results if one[1].size is not None]
        if sized:
            size = min(sized, key=lambda one: one[0].misfit)[1]
            finer = [resized(self.rig, size.cameras, (size.size or 1.0) * by) for by in FINER]
            results += [self._undone(seen, columns, fault) for fault in finer]
        if (metres := self._units(given)) is not None:
            results.append(metres)
        if not results:
            return None
        results.sort(key=lambda one: one[0].misfit)
        best, fault = results[0]
        worst = np.nanmin(best.cameras) if np.isfinite(best.cameras).any() else 0.0
        own = list(fault.cameras)
        after, before = best.loss[own], given.loss[own]
        both = np.isfinite(after) & np.isfinite(before)
        if not both.any():
            return None
        now, sent = after[both].mean() + best.unlikely, before[both].mean() + given.unlikely
        gained = now <= min(GAIN * sent, sent - GAINED)
        if not best.is_somebody or worst < OUT or not gained:
            return None
        others = [score.misfit for score, other in results if (other.key, other.cameras) != (fault.key, fault.cameras)]
        if others and best.misfit > CLEARLY * min(others):
            return None
        return Cause(fault.key, fault.what, fault.check, fault.camera(self.rig))

    def _undone(self, seen: np.ndarray, columns: np.ndarray, fault: Fault) -> tuple[Score, Fault]:
        score = self._score(fault.undone(seen), columns)
        self._rest()
        return score, fault

    def _faults(self, columns: np.ndarray, suspects: Sequence[int]) -> Iterator[Fault]:
        every, mirror = range(len(self.rig.names)), np.searchsorted(columns, self._mirror[columns])
        yield from picture_faults(self.rig, every, mirror)
        yield from side_faults(self.rig, every, mirror)
        yield from name_faults(self.rig)
        for camera in every if len(every) > 1 else ():
            yield from side_faults(self.rig, [camera], mirror)
        for camera in suspects:
            yield from picture_faults(self.rig, [camera], mirror)

    def _units(self, given: Score) -> tuple[Score, Fault] | None:
        """A rig that is not in metres: the views agree, on somebody whom nobody is as tall as."""
        build = given.build
        if not (given.agreed >= AGREE and build.scatter < SOMEBODY) or PEOPLE[0] < build.stature < PEOPLE[1]:
            return None
        times = build.stature / USUAL_STATURE
        tall = f"the person would be {build.stature:.{0 if build.stature > 10.0 else 2}f} m tall"
        near = [(size, unit) for size, unit in UNITS if abs(np.log(times / size)) < NEAR_UNIT]
        by = near[0][0] if near else times
        factor = max(by, 1.0 / by)
        wrong = f"{factor:.{0 if factor > 9.9 else 1}f} times too {'large' if by > 1.0 else 'small'}"
        why = near[0][1] if near else "in squares of a board, or inches?" if by > 1.0 else "in another unit"
        what = f"{tall}: the translations of cameras.toml are {'' if near else 'about '}{wrong} ({why})"
        check = 'give them in metres, or in mm with units = "mm"; squares of a board times the length of their side'
        fault = Fault("units", what, check, lambda seen: seen, tuple(range(len(self.rig.names))))
        believable = given.build._replace(stature=USUAL_STATURE)
        return given._replace(unlikely=given.unlikely - _unusual(build.stature), build=believable), fault

    def _two_cameras(self, given: Score) -> Cause | None:
        """Two cameras, of which nothing tells which is wrong."""
        seeing = np.flatnonzero(np.isfinite(given.cameras))
        if len(seeing) != 2 or not given.median > max(DISAGREE, NOISY * self._noise):
            return None
        a, b = (self.rig.names[c] for c in seeing)
        native = 2.0 * given.median * np.mean([self.rig.cameras[c].size[0] for c in seeing]) / REFERENCE_WIDTH
        what = f"{a} and {b} disagree by {native:.0f} px, and of two cameras nothing tells which is wrong"
        return Cause("two", what, "was one moved, or its lens, resolution or clock changed? calibrate them anew")

    def _wrong_person(self, given: Score) -> Cause | None:
        """Somebody else than the subject, or of another stature than given."""
        if self._known is None or not given.build.is_known:
            return None
        apart = given.build.size - 1.0
        if abs(apart) > OTHER_SIZE[self._known]:
            how = f"{100 * abs(apart):.0f} % {'shorter' if apart < 0.0 else 'taller'}"
        elif self._known == "subject" and given.build.scatter > OTHER_SHAPE:
            how = f"its segments are {100 * given.build.scatter:.0f} % longer or shorter, in the median"
        else:
            return None
        if self._known == "stature":
            return Cause("subject", f"the person is {how} than the stature that was given", "check it")
        what = f"the person does not fit {self._named}: {how}"
        return Cause("subject", what, "is it somebody else's? name theirs, or calibrate this person")
