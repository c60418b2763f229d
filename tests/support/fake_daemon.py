"""`streamfit serve` with a fake tracker: ready at once, and fails on request."""

import logging
import sys
from functools import partial

from streamfit.jax_runtime import single_threaded

single_threaded()

from fake_tracker import FakeTracker  # noqa: E402

from streamfit.daemon import app as service  # noqa: E402

if __name__ == "__main__":
    logging.getLogger().handlers.clear()
    service.serve = partial(service.serve, tracker_factory=FakeTracker)
    sys.exit(service.run(sys.argv[1]))
