"""Settings that must be made before JAX is imported."""

import os
import sys
from pathlib import Path


def single_threaded() -> None:
    """One thread per fit, and compiled code kept between runs. To be called before anything imports JAX.

    The thread pools of XLA and OpenBLAS spin while they wait for their slowest thread: with other work on the
    same cores a step takes tens of times as long as on one thread.
    """
    if "jax" in sys.modules:
        raise RuntimeError("single_threaded() must come before the import of jax")
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))
    # steps that compile quickly are many: keep them too
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def cache_folder() -> Path:
    """Where compiled code is kept: systemd's cache directory, else the user's."""
    service = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    if service:
        return Path(service)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamfit"
