import gc
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from streamfit.engine.compile_queue import make_room_for_compilations, on_compilation

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")


def mappings() -> int:
    return len(Path("/proc/self/maps").read_text(encoding="ascii").splitlines())


@jax.jit
def much(x):
    """Compiled to many kernels."""
    for i in range(40):
        x = jnp.cumsum(jnp.sort(x) * i)
    return x


@linux
def test_what_is_compiled_is_let_go_of_and_still_works(caplog):
    x = np.arange(50.0)
    expected = much(x)
    before = mappings()
    assert make_room_for_compilations(most=0.0)
    gc.collect()
    assert mappings() < before - 40
    assert "letting go of compiled functions" in caplog.text
    compiled = []
    stop = on_compilation(lambda: compiled.append(True))
    np.testing.assert_array_equal(much(x), expected)
    stop()
    assert compiled


@linux
def test_nothing_is_let_go_of_where_there_is_room():
    much(np.arange(50.0))
    compiled = []
    stop = on_compilation(lambda: compiled.append(True))
    assert not make_room_for_compilations(most=1.0)
    much(np.arange(50.0))
    stop()
    assert not compiled
