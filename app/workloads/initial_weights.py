"""Initial weights of a network from a file or an earlier run: what fits is loaded, what was and was not is said."""

import io
from typing import Any

import torch

from app.checksum import check_archive
from app.data import files
from app.errors import DataError, UsageError
from app.printable import redacted
from app.strict_json import shown
from app.workloads.initial_weights_place import find_weights

ZIP = b"PK\x03\x04"
MIN_SHARE = 0.5
"""Smallest share of the network's tensors that must fit; assumed: a new head leaves out two, and less than half is
another network."""


def load_file(network: torch.nn.Module, place: str, others: str = "", prefix: str = "") -> dict[str, Any]:
    """Load a file (.safetensors, .pt, .pth) or a run's best weights into the network, and return what was loaded.

    Args:
        place: path or URL of the file, or of the run's folder.
        others: what else the task's option `weights` may be, for the message.
        prefix: that names in a file may have and names in the network have not.

    Raises:
        UsageError: neither a file nor a run, or weights of another network.
        DataError: the file cannot be read.
    """
    path = find_weights(place, others)
    return load_fitting(network, {key.removeprefix(prefix): value for key, value in _parse(path).items()}, path)


def load_fitting(network: torch.nn.Module, weights: dict[str, torch.Tensor], source: str) -> dict[str, Any]:
    """Load every tensor whose name and shape fit, and say what was not loaded.

    Raises:
        UsageError: less than MIN_SHARE of the network's tensors fit: these are weights of another network.
        DataError: one that fits is not finite.
    """
    own = network.state_dict()
    fitting = {key: value for key, value in weights.items() if key in own and own[key].shape == value.shape}
    if len(fitting) < MIN_SHARE * len(own):
        raise UsageError(
            f"{source} fits {len(fitting)} of the network's {len(own)} tensors, expected at least {MIN_SHARE:.0%}: "
            "weights of another network"
        )
    if wrong := next((key for key, value in fitting.items() if not bool(value.isfinite().all())), None):
        raise DataError(f"{source}: {wrong}: got weights that are not finite, expected numbers; take another file")
    network.load_state_dict(fitting, strict=False)
    return {
        "source": redacted(source),
        "num_loaded": len(fitting),
        "new": sorted(set(own) - set(fitting)),
        "left_over": sorted(set(weights) - set(fitting)),
    }


def _parse(path: str) -> dict[str, torch.Tensor]:
    content = files.read_bytes(path)
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load

            return dict(load(content))
        if content.startswith(ZIP):  # else in the format before torch 1.6, which has no checksums
            check_archive(content)
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises classes of its own
        raise DataError(f"{path} holds no weights that can be read: {str(error).splitlines()[0]}") from error
    weights = found.get("model", found.get("state_dict", found)) if isinstance(found, dict) else found
    if not isinstance(weights, dict):
        raise DataError(f"{path} holds no weights: got {shown(weights)}, expected names with tensors (a state dict)")
    return {name: value for name, value in weights.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
