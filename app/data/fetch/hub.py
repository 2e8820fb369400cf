"""A data set from the Hugging Face hub, by its id; what is there already is not fetched again."""

import re
import shutil
from pathlib import Path
from typing import Any

from app.console import say
from app.errors import DataError

COMMIT_NAME = ".commit"
"""In the folder of a snapshot: the data set and the commit that its files are of."""
WANTED_FILES = ("*.parquet", "*.tar", "*.tar.gz", "*.tgz", "*.zip", "*.txt")
"""Data, in a mirror's Parquet files or in archives, and lists of labels."""


def is_hub_id(source: str) -> bool:
    """Whether this names a data set of the hub, as owner/name."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+", source) is not None


def fetch_snapshot(hub_id: str, revision: str | None, folder: Path) -> list[Path]:
    """Bring the data files of a hub data set below `folder`; returns them, sorted.

    An interrupted call resumes where it stopped; the hub client checks each file against the hub's own size and hash.
    The revision's commit is asked for first: without it the client takes what is there for the whole when the hub is
    away.
    What an interrupted call has left of another commit goes first: files of two revisions are no data set.

    Raises:
        DataError: the hub cannot be reached, has no such data set or revision, or none of its files is data.
    """
    from huggingface_hub import HfApi, snapshot_download  # here: seconds to import
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    fetch: Any = snapshot_download
    try:
        commit = HfApi().dataset_info(hub_id, revision=revision).sha
        _begin(folder, f"{hub_id} {commit}")
        fetch(hub_id, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=[*WANTED_FILES])
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise DataError(
            f"cannot reach the hub for {hub_id}: check the network or its proxy, or download an archive elsewhere "
            "and name it with --source file:///path"
        ) from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        raise DataError(f"the hub answered {status} for the data set {hub_id}; check its id and --revision") from error
    except Exception as error:  # its network library raises classes of its own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"cannot fetch {hub_id} from the hub: {reason}") from error
    hidden = folder / ".cache"
    files = (p for p in folder.rglob("*") if p.is_file() and not p.is_relative_to(hidden))
    found = sorted(path for path in files if path != folder / COMMIT_NAME)
    if not any(path.suffix != ".txt" for path in found):
        raise DataError(f"{hub_id} has neither Parquet files nor archives; try --revision refs/convert/parquet")
    return found


def _begin(folder: Path, snapshot: str) -> None:
    """The folder for this snapshot, with nothing of another in it."""
    note = folder / COMMIT_NAME
    if folder.exists() and not (note.exists() and note.read_text() == snapshot):
        say(f"{folder} holds files of another revision, or of one that is not known: they are fetched again")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(snapshot)
