"""Models are opened and asked without the hub: what they name of it has to be on this machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NAME = "HF_HUB_OFFLINE"
"""The variable that the hub's client reads when it is imported, and what it calls the constant that it makes of it."""


@contextmanager
def without_hub() -> Iterator[None]:
    """Within it the hub's client takes files from its cache on this machine and asks no server. One that was imported
    before keeps its own answer, so that is set too; all is as before afterwards, for a training may download."""
    before = os.environ.get(NAME)
    client = sys.modules.get("huggingface_hub.constants")
    was_offline = getattr(client, NAME, str(before).upper() in ("1", "ON", "YES", "TRUE"))
    os.environ[NAME] = "1"
    if client is not None:
        setattr(client, NAME, True)
    try:
        yield
    finally:
        os.environ.pop(NAME)
        if before is not None:
            os.environ[NAME] = before
        if (client := sys.modules.get("huggingface_hub.constants")) is not None:
            setattr(client, NAME, was_offline)
