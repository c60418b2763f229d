"""Fixtures that more than one room's tests use."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from streamfit.jax_runtime import cache_folder

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import numpy as np
import pytest

from streamfit.engine.compile_queue import make_room_for_compilations
from streamfit.model import KeypointSet, Skeleton
from streamfit.model.camera import Camera, Rig

# the helpers of `support`, and `benchmarks`
sys.path[:0] = [str(Path(__file__).parent / "support"), str(Path(__file__).parents[1])]

# a shell ignores Ctrl-C for what it starts in the background, and that is inherited: processes under test heed it
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def few_compiled_functions() -> None:
    """One process may not keep what all rooms' tests compile."""
    make_room_for_compilations(0.4)


@pytest.fixture(scope="session")
def skeleton() -> Skeleton:
    return Skeleton.load()


@pytest.fixture(scope="session")
def keypoints() -> KeypointSet:
    return KeypointSet.load("halpe26")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings, where there is one."""
    folder = os.environ.get("STREAMFIT_RECORDINGS")
    if not folder:
        pytest.skip("STREAMFIT_RECORDINGS names no folder of recordings")
    return Path(folder)


@pytest.fixture(scope="session")
def faults() -> Path:
    """The folder of inputs that are at fault, where there is one."""
    folder = os.environ.get("STREAMFIT_FAULTS")
    if not folder:
        pytest.skip("STREAMFIT_FAULTS names no folder of inputs that are at fault")
    return Path(folder)


def look_at(name: str, centre: np.ndarray, target: np.ndarray, focal: float = 1400.0) -> Camera:
    """A camera (2048 x 1536, some distortion) in a z-up world that looks at a target."""
    z = (target - centre) / np.linalg.norm(target - centre)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    import cv2

    return Camera(
        name=name,
        size=(2048, 1536),
        matrix=np.array([[focal, 0, 1024.0], [0, focal, 768.0], [0, 0, 1]]),
        distortions=np.array([-0.12, 0.08, 3e-4, -2e-4, 0.01]),
        rotation=cv2.Rodrigues(rotation)[0][:, 0],
        translation=-rotation @ centre,
    )


@pytest.fixture(scope="session")
def rig() -> Rig:
    """Six cameras around a room, z up."""
    angles = np.arange(6) * np.pi / 3 + 0.2
    centres = [np.array([4 * np.cos(a), 4 * np.sin(a), 1.2 + 0.5 * (i % 2)]) for i, a in enumerate(angles)]
    return Rig(tuple(look_at(f"cam_{i}", c, np.array([0.0, 0.0, 0.9])) for i, c in enumerate(centres)))
