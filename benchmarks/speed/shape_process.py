"""A process that answers a simulated stream of one shape, a block of instants whenever it is asked to (see worker.py).

`python shape_process.py '{"cameras": 8, ..}' INSTANTS [yardstick]`: with a yardstick before each instant, or without.
"""

import json
import sys
import time
from pathlib import Path

from streamfit.jax_runtime import single_threaded

single_threaded()

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository

from benchmarks.lib.stream import SETTLED, Shape, simulate  # noqa: E402
from benchmarks.speed.stages import STAGES, MessagePath, Yardstick  # noqa: E402 - JAX only now
from streamfit.model import Skeleton  # noqa: E402


def main(shape: Shape, instants: int, yardstick: Yardstick | None) -> None:
    """Answer that many instants, after those that are not measured."""
    skeleton = Skeleton.load()
    stream = simulate(skeleton, shape, SETTLED + instants)
    messages = zip(stream.t, stream.payloads, strict=True)
    with MessagePath(skeleton, stream, shape) as engine:
        for _, (t, payload) in zip(range(SETTLED), messages, strict=False):
            engine.answer(payload, t)
        print("null", flush=True)
        for line in sys.stdin:
            rows = []
            for _, (t, payload) in zip(range(int(line)), messages, strict=False):
                compared = yardstick.seconds() if yardstick else 0.0
                began = time.process_time()
                costs, answered = engine.answer(payload, t)
                computed = time.process_time() - began
                assert answered == shape.people * shape.sessions, f"{answered} answers at t = {t:.3f} s"
                rows.append([*(getattr(costs, stage) for stage in STAGES), computed, compared])
            print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main(Shape(**json.loads(sys.argv[1])), int(sys.argv[2]), Yardstick() if sys.argv[3:] else None)
