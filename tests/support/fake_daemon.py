"""`streamfit serve` with a fake tracker: ready at once, and fails on request."""

from functools import partial
from pathlib import Path

from fake_tracker import FakeTracker

from streamfit.daemon import app


def run_fake(config: Path) -> int:
    """Run it in this process; the exit code."""
    app.serve = partial(app.serve, tracker_factory=FakeTracker)
    return app.run(config)
