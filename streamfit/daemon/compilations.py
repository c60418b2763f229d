"""Counts what JAX compiles: after ready that should be nothing."""

from collections.abc import Callable

import jax.monitoring

EVENT = "/jax/core/compile/backend_compile_duration"


def on_compilation(call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` called at every compilation, on the thread that compiles; what comes back ends that."""

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event == EVENT:
            call()

    jax.monitoring.register_event_duration_secs_listener(listen)
    return lambda: jax.monitoring.unregister_event_duration_listener(listen)
