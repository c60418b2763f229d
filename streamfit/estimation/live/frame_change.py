"""Another frame for the window where the root comes near the singularity of its own."""

from __future__ import annotations

import numpy as np

from streamfit.estimation.live.measurement_buffer import EMPTY
from streamfit.estimation.live.sliding_window.turned_state import turned
from streamfit.estimation.live.track_state import TrackBuilder, Tracking
from streamfit.model.root import TURN, UPRIGHT, Frame, rotation_of


def is_near_singular(track: Tracking) -> bool:
    """Whether another frame is to be chosen."""
    return abs(track.list_angle) >= TURN


def keep_regular(builder: TrackBuilder) -> None:
    """Choose another frame for the window, in which its root is regular."""
    track, window = builder.tracking, builder.setup.window
    controls, before = np.asarray(track.prior.state.controls), track.frame.turn
    rotation = before.T @ rotation_of(controls[-2, 3:6])
    frame = Frame.regular_at(rotation, UPRIGHT)
    near = builder.last.q[3:6] if frame.is_ground else np.zeros(3)
    at = [track.spline.start if t == EMPTY else t for t in builder.buffer.t]
    poses = track.spline.weights(np.array(at)) @ controls
    real = builder.setup.settings.real
    state = turned(track.prior.state, frame.turn @ before.T, near, poses, real)
    prior = window.eliminate(state, builder.buffer.places(track.spline))
    builder.note(prior=prior, frame=frame, model=builder.model.seen_from(frame))
