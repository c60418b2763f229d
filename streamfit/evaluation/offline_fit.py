"""The fit of a whole recording at once, by the person's frozen body."""

import time
from collections.abc import Sequence

import numpy as np

from streamfit.engine import answers
from streamfit.engine.frame_assembler import Instant
from streamfit.estimation.batch.result import finish
from streamfit.estimation.batch.smooth import fit_offline
from streamfit.estimation.batch.trial import Trial
from streamfit.estimation.init.initial_scale import measured_subject
from streamfit.evaluation.live_fit import Fitted, Motion
from streamfit.evaluation.offline_gait import gait_of
from streamfit.gait import FootEvent, Step
from streamfit.model import Skeleton
from streamfit.model.subject import Subject
from streamfit.recording.forward_times import ForwardTimes
from streamfit.recording.playback import Recording
from streamfit.terminal import ProgressCallback


def fit_whole(recording: Recording, skeleton: Skeleton, subject: Subject, show: ProgressCallback) -> Fitted:
    """Fit a recording with all its instants at once. Instants that no view is near are left out. InputError."""
    engine = recording.engine(skeleton, subject)
    times = ForwardTimes()
    instants = list(recording.played(engine, show, times))
    trial = _trial(recording, instants)
    subject = measured_subject(trial, skeleton, recording.keypoints, subject)
    started = time.perf_counter()
    movement = finish(fit_offline([trial], skeleton, recording.keypoints, subject), show).movements[0]
    seconds = time.perf_counter() - started
    near = np.isfinite(movement.q).all(1)
    q = movement.q[near]
    state = np.full(len(q), "tracking", object)
    found = gait_of(movement.t[near], q, skeleton, recording.keypoints, subject)
    whole, last, ground = (recording.name, recording.person), float(movement.t[-1]), recording.rig.to_ground
    return Fitted(
        kinematics=Motion(movement.t[near], q, np.full(q.shape, np.nan), state),
        smoothed=None,
        keypoints=movement.keypoints[near],
        events=[answers.gait(*whole, one, last, ground).payload for one in found if isinstance(one, FootEvent)],
        steps=[answers.steps(*whole, one).payload for one in found if isinstance(one, Step)],
        views=[i.views for i in instants],
        subject=subject,
        seconds=np.array([seconds]),
        rejected=dict(engine.snapshot().rejected),
        jumps=times.jumps,
    )


def _trial(recording: Recording, instants: Sequence[Instant]) -> Trial:
    views = [(i.t, list(i.views)) for i in instants]
    return Trial(recording.name, recording.rig, views)
