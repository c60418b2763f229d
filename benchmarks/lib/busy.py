"""Other processes on the same cores."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(1_000_000): pass"


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """That many processes of normal priority compute for nothing while the context lasts."""
    children = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()
