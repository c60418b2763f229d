"""Someone who walks away, turns round and comes back: what is exchanged is put right, and nothing else."""

import numpy as np

from streamfit.estimation.estimate import View
from streamfit.estimation.live.left_right import Sides
from streamfit.estimation.live.tracker import Tracker
from streamfit.estimation.quality.check_sides import mirrored
from streamfit.sim.detector import Errors, detect
from streamfit.sim.motions import RATE
from streamfit.sim.room import room


def test_a_walk_with_a_turn_is_put_right_where_it_is_exchanged_and_nowhere_else(
    skeleton, keypoints, subject, walked, monkeypatch
):
    """Half of the frames of the ten seconds; two cameras exchange the legs, or everything, in bursts."""
    rig = room()
    given = detect(walked, rig, skeleton, keypoints, subject, 3, Errors(swaps=0.0))[::2]
    mirror = mirrored(keypoints)
    on_leg = np.array([body.startswith(("femur", "tibia", "talus", "calcn", "toes")) for body in keypoints.bodies])
    wrong, count = given.copy(), len(given)
    for start in range(20, count, 100):
        legs, whole = np.s_[start : start + 15, 1], np.s_[start + 40 : start + 55, 6]
        wrong[legs] = wrong[legs][:, np.where(on_leg, mirror, np.arange(len(mirror)))]
        wrong[whole] = wrong[whole][:, mirror]
    put_right: dict[float, list[View]] = {}

    def noted(self, views, original=Sides.put_right):
        found = put_right[round(views[0].t, 3)] = list(original(self, views))
        return found

    monkeypatch.setattr(Sides, "put_right", noted)
    tracker = Tracker(skeleton, rig, keypoints, subject)
    for i, instant in enumerate(wrong):
        t = 2 * i / RATE
        tracker.update(t, [View(camera, t, xyc) for camera, xyc in enumerate(instant)])
    found = np.array([[view.xyc for view in put_right[round(2 * i / RATE, 3)]] for i in range(count)])
    paired = mirror != np.arange(len(mirror))

    def as_given(views):
        """How many views have the keypoints of each camera where they were given."""
        return (np.abs(views - given)[:, :, paired, :2].max((2, 3)) == 0.0).sum(0)

    assert (as_given(wrong)[[1, 6]] <= count - 15 * 4).all()
    others = np.delete(np.arange(8), [1, 6])
    assert (as_given(found)[others] == count).all()
    assert (as_given(found)[[1, 6]] >= count - 5).all()
