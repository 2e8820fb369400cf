"""Which prepared store each experiment of a study reads."""

from collections.abc import Mapping, Sequence

from app.configuration import nearest
from app.errors import UsageError
from app.experiment import Study

UNNAMED = ""


def parse_stores(flags: Sequence[str]) -> dict[str, str]:
    """Folders by name, of `DIR` (the one without a name) and `NAME=DIR`. What has a slash before its first `=` is a
    folder.

    Raises:
        UsageError: a name or a folder is empty or a name comes twice.
    """
    stores: dict[str, str] = {}
    for flag in flags:
        name, sign, folder = flag.partition("=")
        if not sign or "/" in name:
            name, folder = UNNAMED, flag
        elif not name:
            raise UsageError(f"--store: got {flag!r}, expected DIR or NAME=DIR")
        if not folder:
            raise UsageError(f"--store: got {flag!r}, expected DIR or NAME=DIR")
        if name in stores:
            what = f"two stores named {name!r}" if name else "two stores without a name"
            raise UsageError(f"--store: got {what}: {stores[name]} and {folder}; expected NAME=DIR for each of several")
        stores[name] = folder
    return stores


def stores_of(study: Study, stores: Mapping[str, str]) -> dict[str, str]:
    """The store of each experiment by the experiment's name. A single store without a name serves a study that names
    one or none.

    Raises:
        UsageError: an experiment's store is not among those given.
    """
    named = {experiment.store for experiment in study.experiments if experiment.store is not None}
    single = stores[UNNAMED] if set(stores) == {UNNAMED} and len(named) <= 1 else None
    found = {}
    for experiment in study.experiments:
        store = single if single is not None else stores.get(experiment.store or UNNAMED)
        if store is None and experiment.store is None:
            raise UsageError(f"{experiment.name} names no store: give it one, or a --store DIR without a name")
        if store is None:
            hint = nearest(str(experiment.store), [name for name in stores if name]) if any(stores) else "none is named"
            raise UsageError(
                f"{experiment.name} reads the store {experiment.store!r}: give --store {experiment.store}=DIR ({hint})"
            )
        found[experiment.name] = store
    return found
