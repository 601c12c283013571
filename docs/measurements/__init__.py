"""Scripts behind the figures in docs/, run in the project's folder: `python -m docs.measurements.NAME`.

They use the tests' own weights, pictures and OBS.
"""

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path[:0] = [str(_TESTS), str(_TESTS / "obs")]
