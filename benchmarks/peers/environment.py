"""Environments of peers: made on first use, apart from ours, with the same torch."""

import hashlib
import subprocess
import sysconfig
from pathlib import Path

from benchmarks.common import ROOT, say

FOLDER = ROOT / "benchmarks" / ".peers"
PINS = ROOT / "benchmarks" / "peers"


def place(name: str) -> Path:
    """The interpreter of the environment of this name, there or not."""
    return FOLDER / name / "bin" / "python"


def interpreter(name: str) -> Path:
    """The same; installs the environment where it is missing or the pins in benchmarks/peers/NAME.txt have changed.

    It holds what the peer needs beyond our packages, in the peer's versions; a path file lets it see ours behind them,
    so that torch (7 GB) is there once and both sides compute with the same one.
    """
    pins, folder = PINS / f"{name}.txt", FOLDER / name
    stamp = folder / "pins.sha256"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if place(name).exists() and stamp.exists() and stamp.read_text() == wanted:
        return place(name)
    say(f"installing {name} into {folder.relative_to(ROOT)} (once)")
    ours = Path(sysconfig.get_paths()["scripts"])
    uv = str(ours / "uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", str(ours / "python"), str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--no-deps", "--python", str(place(name))]
    subprocess.run([*install, "-r", str(pins)], check=True)
    version = sysconfig.get_python_version()
    behind = folder / "lib" / f"python{version}" / "site-packages" / "zz_ours.pth"
    behind.write_text(f"{sysconfig.get_paths()['purelib']}\n")
    stamp.write_text(wanted)
    return place(name)


def pinned(name: str, package: str) -> str:
    """The version of a package in the pins of an environment."""
    lines = (PINS / f"{name}.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{package}==")).split("==")[1]
