"""Live biomechanics: multi-view 2D keypoints in, joint angles of a skeleton out."""

from importlib.metadata import version

__version__ = version("streamfit")
