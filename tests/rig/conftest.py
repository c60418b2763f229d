"""A board as known cameras see it: rendered pixel by pixel through their lenses."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
