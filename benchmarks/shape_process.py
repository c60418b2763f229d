"""A process that answers a simulated stream of one shape, a block of instants whenever it is asked to.

`python shape_process.py '{"cameras": 8, ..}' INSTANTS`; a line `N` on stdin: N further instants, whose costs come
back as a line of JSON on stdout. An empty line there says that it is ready.
"""

import json
import sys
import time

from streamfit.daemon.threads import single_threaded

single_threaded()

from stages import SETTLED, STAGES, Engine, Yardstick  # noqa: E402 - JAX only now
from stream import Shape, simulate  # noqa: E402

from streamfit.skeleton import Skeleton  # noqa: E402


def main(shape: Shape, instants: int) -> None:
    """Answer that many instants, in blocks."""
    skeleton = Skeleton.load()
    stream = simulate(skeleton, shape, (SETTLED + instants + 2) / shape.rate + 0.1)
    messages = zip(stream.t, stream.payloads, strict=True)
    yardstick = Yardstick()
    with Engine(skeleton, stream, shape) as engine:
        for _, (t, payload) in zip(range(SETTLED), messages, strict=False):
            engine.answer(payload, t)
        print(flush=True)
        for line in sys.stdin:
            rows = []
            for _, (t, payload) in zip(range(int(line)), messages, strict=False):
                began = time.process_time()
                costs, answered = engine.answer(payload, t)
                computed = time.process_time() - began
                assert answered == shape.people * shape.sessions, f"{answered} answers at t = {t:.3f} s"
                rows.append([*(getattr(costs, stage) for stage in STAGES), computed, *yardstick.seconds()])
            print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main(Shape(**json.loads(sys.argv[1])), int(sys.argv[2]))
