"""Count JAX's compilations, which should be none after ready, and free them before they take too much memory."""

import logging
from collections.abc import Callable
from pathlib import Path

import jax
import jax.monitoring

EVENT = "/jax/core/compile/backend_compile_duration"
MOST = 0.6
"""Share of the memory mappings that a process may have; a tracker of another shape takes some 5 % of Linux's 65530."""

log = logging.getLogger(__name__)


def on_compilation(call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` called at every compilation, on the thread that compiles; what comes back ends that."""

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event == EVENT:
            call()

    jax.monitoring.register_event_duration_secs_listener(listen)
    return lambda: jax.monitoring.unregister_event_duration_listener(listen)


def make_room_for_compilations(most: float = MOST) -> bool:
    """Let go of all that is compiled where the process has more than that share of the mappings it may have.

    XLA maps every kernel on its own, three times, keeps it for good, and aborts the process where Linux allows no
    more. What is still in use is back from the compilation cache within a second or two of its next call.
    """
    try:
        allowed = int(Path("/proc/sys/vm/max_map_count").read_text(encoding="ascii"))
        with open("/proc/self/maps", "rb") as file:
            mapped = sum(1 for _ in file)
    except OSError:  # no Linux, or not allowed to look: as it would be without this
        return False
    if mapped <= most * allowed:
        return False
    log.warning("%d of %d memory mappings in use: letting go of compiled functions", mapped, allowed)
    jax.clear_caches()
    return True
