"""The simulated walk, once for all tests."""

from simulated_walk import keypoints, subject, walked

__all__ = ["keypoints", "subject", "walked"]
