"""nnU-Net's environment: made on first use, apart from ours, with the same torch."""

import hashlib
import subprocess
import sysconfig
from pathlib import Path

from benchmarks.common import ROOT, say

PINS = ROOT / "benchmarks" / "peers" / "nnunet.txt"
FOLDER = ROOT / "benchmarks" / ".peers" / "nnunet"


def python() -> Path:
    """The interpreter of nnU-Net's environment; installs it where it is missing or the pins have changed.

    It holds what nnU-Net needs beyond our packages, in nnU-Net's versions; a path file lets it see ours behind them, so
    that torch (7 GB) is there once and both sides compute with the same one.
    """
    interpreter = FOLDER / "bin" / "python"
    stamp = FOLDER / "pins.sha256"
    wanted = hashlib.sha256(PINS.read_bytes()).hexdigest()
    if interpreter.exists() and stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    say(f"installing nnU-Net into {FOLDER.relative_to(ROOT)} (once)")
    ours = Path(sysconfig.get_paths()["scripts"])
    uv = str(ours / "uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", str(ours / "python"), str(FOLDER)], check=True)
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--no-deps", "--python", str(interpreter)]
    subprocess.run([*install, "-r", str(PINS)], check=True)
    version = sysconfig.get_python_version()
    behind = FOLDER / "lib" / f"python{version}" / "site-packages" / "zz_ours.pth"
    behind.write_text(f"{sysconfig.get_paths()['purelib']}\n")
    stamp.write_text(wanted)
    return interpreter


def version() -> str:
    """Version of nnunetv2, as pinned."""
    pin = next(line for line in PINS.read_text().splitlines() if line.startswith("nnunetv2=="))
    return pin.split("==")[1]
