import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # toy.py, which spawned processes must find too
