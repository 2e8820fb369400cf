"""A side for the tests of benchmarks.side."""

import os
from typing import Any

from benchmarks.side import serve


def double(value: int) -> dict[str, Any]:
    print("noise")
    return {"value": 2 * value}


def fail() -> dict[str, Any]:
    return {"value": 1 / 0}


def die() -> dict[str, Any]:
    os._exit(7)


def cores() -> dict[str, Any]:
    return {"cores": sorted(os.sched_getaffinity(0))}


if __name__ == "__main__":
    serve({"double": double, "fail": fail, "die": die, "cores": cores})
