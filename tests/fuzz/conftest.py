"""Makes the modules beside it, and those that make the files, importable."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
MAKERS = ("unit/reporting", "unit/workloads/documents")
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in MAKERS)]
