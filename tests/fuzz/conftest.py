"""Makes the targets beside this file importable."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]
