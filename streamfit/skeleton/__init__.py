"""Skeletons (MJCF), their keypoint sets and their forward kinematics."""

from streamfit.skeleton.host import HostKinematics
from streamfit.skeleton.keypoints import KeypointSet
from streamfit.skeleton.kinematics import Kinematics, Pose, Screws
from streamfit.skeleton.skeleton import Skeleton

__all__ = ["HostKinematics", "KeypointSet", "Kinematics", "Pose", "Screws", "Skeleton"]
