"""Skeletons (MJCF), their keypoint sets and their forward kinematics."""

from streamfit.model.host_kinematics import HostKinematics
from streamfit.model.keypoint_set import KeypointSet
from streamfit.model.kinematics import Kinematics, Pose, Screws
from streamfit.model.skeleton import Skeleton

__all__ = ["HostKinematics", "KeypointSet", "Kinematics", "Pose", "Screws", "Skeleton"]
