"""What a skeleton cannot say of a person: how far its angles err, whatever the views, about their own mean.

The axes of real joints are not the skeleton's, and differ between people (the subtalar joint's by some 10 degrees;
Isman and Inman 1969), so that a turn about one shows as a little of another (crosstalk; Piazza and Cavanagh 2000). Skin
and muscle move over the bones, all points of a segment alike, and the more the further a joint is bent (Leardini et
al. 2005; Peters et al. 2010). No camera and no window averages that out.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from streamfit.errors import InputError

GROWTH = 0.1
"""1/rad, of a joint of which the skeleton's file says nothing."""
FARTHEST = 0.75
"""rad of excursion up to which the error is known to grow: squats and sitting down."""
_CONSTANT, _EXCURSION = "model_sd", "excursion:"


@dataclass(frozen=True, eq=False)
class ModelError:
    """Standard deviations of the model's error of D coordinates: `constant` and growth x excursion^2, independent.

    The excursion of a joint is how far it is from its mean posture, all its coordinates taken together (root of the sum
    of squares). `constant` (D,) rad, `growth` (D,) 1/rad; `together` (D, D): 1 where the second coordinate counts as
    excursion of the first.
    """

    constant: np.ndarray
    growth: np.ndarray
    together: np.ndarray

    def variance(self, square: np.ndarray) -> np.ndarray:
        """(D,) rad^2, of each coordinate's squared excursion (D,) rad^2."""
        excursion = np.minimum(self.together @ square, FARTHEST**2)
        return np.asarray(np.square(self.constant) + np.square(self.growth * excursion))


def read_model_error(model: mujoco.MjModel, coordinates: list[int], source: str) -> ModelError:
    """Of the joints that are coordinates, as the model's tuples say: `model_sd` holds joints with prm their constant
    (rad); each `excursion:NAME` the joints of one excursion with prm their growth (1/rad). `InputError`.

    The joints that none of these names have the excursion of their body's hinges; the root of such a skeleton has none,
    for people go anywhere.
    """
    hinge = model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE)
    inner = hinge & (model.jnt_bodyid != model.jnt_bodyid[0])
    constant, growth = np.zeros(model.njnt), np.where(inner, GROWTH, 0.0)
    together = (model.jnt_bodyid[:, None] == model.jnt_bodyid) & inner[:, None] & inner
    named: set[int] = set()
    for t in range(model.ntuple):
        name = model.tuple(t).name
        if name != _CONSTANT and not name.startswith(_EXCURSION):
            continue
        elements = slice(model.tuple_adr[t], model.tuple_adr[t] + model.tuple_size[t])
        joints, given = model.tuple_objid[elements], model.tuple_objprm[elements]
        kinds = model.tuple_objtype[elements] == int(mujoco.mjtObj.mjOBJ_JOINT)
        if not (kinds.all() and hinge[joints].all() and (given >= 0.0).all()):
            raise InputError(f"{source}: tuple {name!r} may hold hinge joints with prm 0 or above")
        if name == _CONSTANT:
            constant[joints] = given
            continue
        if again := named.intersection(joints.tolist()):
            joint = model.joint(min(again)).name
            raise InputError(f"{source}: joint {joint!r} is in two tuples named 'excursion:NAME'; leave it in one")
        named.update(joints.tolist())
        growth[joints] = given
        together[joints] = np.isin(np.arange(model.njnt), joints)
    own = together[np.ix_(coordinates, coordinates)].astype(float)
    return ModelError(constant[coordinates], growth[coordinates], own)
