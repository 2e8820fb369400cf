"""Twofold beside its peers and its limits: `python -m benchmarks [names] [--quick]`.

A folder a question, by the name that asks it: `run.py` asks it, `ours.py`, `peer.py` or `sides.py` hold what runs in
processes of its own. What several questions share stands here and in `peers/`.
"""
