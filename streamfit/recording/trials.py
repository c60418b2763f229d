"""Recordings as trials: the instants of each, and the clocks of cameras that nobody started together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamfit.errors import InputError
from streamfit.estimation.batch.result import Progress
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.init.clock_search import TOGETHER, Clock, clocks_of
from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.clock_offsets import said_of_clocks
from streamfit.recording.forward_times import ForwardTimes, said_of
from streamfit.recording.playback import Recording


@dataclass(frozen=True, eq=False)
class Loaded:
    """A trial, by how much the clocks of its cameras were found to differ (s, added to their times), and what to say
    of its times."""

    trial: Trial
    found: Mapping[str, float]
    said: tuple[str, ...]


def load_trial(recording: Recording, skeleton: Skeleton) -> Trial:
    """The instants of a recording as the live engine makes them."""
    return _load(recording, skeleton)[0]


def load_trials(recordings: Sequence[Recording], skeleton: Skeleton, refine: bool, progress: Progress) -> list[Loaded]:
    """The trials; where cameras are to be refined, with their clocks put right. InputError where they cannot be.

    A recording in which nobody moves tells nothing of clocks: it has those that all the others have.
    """
    loaded: list[Loaded] = []
    clocks: list[dict[str, Clock]] = []
    for recording in recordings:
        progress("comparing clocks", len(loaded) / len(recordings))
        trial, said = _load(recording, skeleton)
        clocks.append(clocks_of(trial.rig, [view for _, views in trial.instants for view in views]))
        loaded.append(Loaded(trial, {}, said))
    if refine:
        found = _found(recordings, clocks)
        mended = [_mended(*each, skeleton) for each in zip(recordings, loaded, found, strict=True)]
        untold = [name for name in clocks[0] if all(own[name].said == "unknown" for own in clocks if name in own)]
        line = f"whether they were started together cannot be told, nobody moves enough: {', '.join(untold)}"
        return [replace(mended[0], said=(*mended[0].said, line)), *mended[1:]] if untold else mended
    return [
        replace(one, said=one.said + tuple(said_of_clocks(own, recording.file.path.name, may_refine=True)))
        for recording, one, own in zip(recordings, loaded, clocks, strict=True)
    ]


def with_clocks(subject: Subject, trials: Sequence[Loaded]) -> tuple[Subject, tuple[str, ...]]:
    """The subject with the clocks that were found in its refined cameras, where all their sessions have the same.

    Else the lines that say what each session needs.
    """
    found = {one.trial.name: one.found for one in trials}
    refined, said = [], []
    for rig in subject.refined:
        own = {name: found.get(name, {}) for name in rig.sessions}
        clocks = np.array([[clock.get(name, 0.0) for name in rig.rig.names] for clock in own.values()])
        if np.ptp(clocks, axis=0).max() <= TOGETHER:
            refined.append(replace(rig, clock=rig.clock + clocks.mean(0)))
            continue
        refined.append(rig)
        said += [
            f"{name}: its cameras were started apart from those of other sessions: fit it with {_as_options(clock)}"
            for name, clock in own.items()
            if clock
        ]
    return replace(subject, refined=tuple(refined)), tuple(said)


def _found(recordings: Sequence[Recording], clocks: Sequence[Mapping[str, Clock]]) -> list[dict[str, float]]:
    """The clocks that differ, of each recording. InputError where it cannot be told by how much."""
    found: list[dict[str, float] | None] = []
    for recording, own in zip(recordings, clocks, strict=True):
        unclear = {name: clock for name, clock in own.items() if clock.said == "unclear"}
        if unclear:
            raise InputError(said_of_clocks(unclear, recording.file.path.name)[0])
        told = any(clock.said != "unknown" for clock in own.values())
        found.append({name: c.seconds for name, c in own.items() if c.said == "off"} if told else None)
    known = [own for own in found if own is not None]
    names = {name for own in known for name in own}
    common = all(abs(own.get(name, 0.0) - known[0].get(name, 0.0)) < TOGETHER for own in known for name in names)
    usual = dict(known[0]) if known and common else {}
    return [
        {name: s for name, s in usual.items() if name in recording.rig.names} if own is None else own
        for recording, own in zip(recordings, found, strict=True)
    ]


def _mended(recording: Recording, one: Loaded, found: Mapping[str, float], skeleton: Skeleton) -> Loaded:
    if not found:
        return one
    given = dict(recording.offsets)
    moved = {name: given.get(name, 0.0) + seconds for name, seconds in found.items()}
    trial, _ = _load(replace(recording, offsets=given | moved), skeleton)
    line = f"{recording.file.path.name}: cameras that were started apart are put right by {_as_options(found)}"
    return Loaded(trial, found, (*one.said, line))


def _as_options(found: Mapping[str, float]) -> str:
    return " ".join(f"--offset {name}={seconds:+.3f}" for name, seconds in found.items())


def _load(recording: Recording, skeleton: Skeleton) -> tuple[Trial, tuple[str, ...]]:
    """The trial, and a line about each jump of its times."""
    times = ForwardTimes(closes_up=True)
    live = recording.engine(skeleton, Subject.generic(skeleton, recording.keypoints))
    instants = [(instant.t, list(instant.views)) for instant in recording.played(live, times=times)]
    said = tuple(f"{recording.file.path.name}: {line}" for line in said_of(times.jumps))
    return Trial(recording.name, recording.rig, instants), said
