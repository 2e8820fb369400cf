"""Download a data set, check it, unpack it; stopped and started again, it resumes where it stopped."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.data.fetch.download import Checksum


@dataclass(frozen=True)
class FetchMsdBrain:
    """Medical Segmentation Decathlon, Task01_BrainTumour: 484 labelled volumes; 7 GB, and as much to unpack it."""

    out: str
    """Folder that gets the folder Task01_BrainTumour."""
    source: str | None = None
    """Address of Task01_BrainTumour.tar (https://, http:// or file:///); the Decathlon's own if not given."""
    md5: str | None = None
    """Checksum of the archive; the Decathlon's own if neither this nor a source is given."""
    keep_archive: bool = False
    """Keep the downloaded archive beside what was unpacked."""


@dataclass(frozen=True)
class FetchRvlCdip:
    """RVL-CDIP: 400,000 document pages of 16 classes; 37 GB, and as much to unpack it."""

    out: str
    """Folder that gets the folder rvl-cdip."""
    source: str = "aharley/rvl_cdip"
    """Id of a data set on the Hugging Face hub (Parquet files or an archive), or the address of a tar or zip with
    images/ and labels/ (https://, http:// or file:///)."""
    revision: str | None = None
    """Revision of the hub's data set; refs/convert/parquet is the hub's own conversion."""
    md5: str | None = None
    """Checksum of the archive, a hub's too; with one, an interrupted download resumes where it stopped."""
    sha256: str | None = None
    """The same."""
    keep_archive: bool = False
    """Keep the downloaded archive beside what was unpacked."""


@dataclass(frozen=True)
class FetchTobacco3482:
    """Tobacco3482: 3,482 document pages of 10 classes; under 2 GB."""

    out: str
    """Folder that gets the folder tobacco3482."""
    source: str = "maveriq/tobacco3482"
    """Id of a data set on the Hugging Face hub (Parquet files or an archive), or the address of a tar or zip with a
    folder a class (https://, http:// or file:///). Parquet mirrors have no document ids: what RVL-CDIP shares is then
    found by the look of pages alone."""
    revision: str | None = None
    """Revision of the hub's data set; refs/convert/parquet is the hub's own conversion."""
    md5: str | None = None
    """Checksum of the archive, a hub's too; with one, an interrupted download resumes where it stopped."""
    sha256: str | None = None
    """The same."""
    keep_archive: bool = False
    """Keep the downloaded archive beside what was unpacked."""


NAME = "Task01_BrainTumour"


def main(arguments: FetchMsdBrain | FetchRvlCdip | FetchTobacco3482) -> None:
    if isinstance(arguments, FetchMsdBrain):
        fetch_msd_brain(arguments)
    else:
        fetch_documents(arguments)


def fetch_msd_brain(arguments: FetchMsdBrain) -> None:
    from app.console import say
    from app.data.fetch.archive import extract_tar
    from app.data.fetch.download import Checksum, download, local_path
    from app.errors import DataError

    folder = Path(arguments.out)
    if (folder / NAME).exists():
        say(f"{folder / NAME} already exists; nothing to do")
        return
    source, checksum = arguments.source, Checksum(md5=arguments.md5)
    if source is None:
        source, published = published_address()
        checksum = checksum or Checksum(md5=published)
    if not checksum:
        say(f"no --md5 given: {source} is taken as it is")
    archive = local_path(source)
    if archive is None:
        archive = download(source, folder / f"{NAME}.tar", checksum)
    elif wrong := checksum.mismatch(archive):
        raise DataError(f"{archive} is not the expected file: {wrong}")
    target = extract_tar(archive, folder, NAME, "dataset.json")
    if local_path(source) is None and not arguments.keep_archive:
        archive.unlink()
    say(f"{target}: {sum(1 for path in target.glob('imagesTr/*.nii.gz'))} training images; next: jobs/prepare.py brats")


def published_address() -> tuple[str, str]:
    """Address and MD5 of the archive, as MONAI publishes them."""
    from monai.apps.datasets import DecathlonDataset  # here: seconds to import, and only the default needs it

    return DecathlonDataset.resource[NAME], DecathlonDataset.md5[NAME]


def fetch_documents(arguments: FetchRvlCdip | FetchTobacco3482) -> None:
    """Bring a document data set to <out>/<name>, as files in its own layout or as a mirror's Parquet files."""
    from app.console import say
    from app.data import files
    from app.data.fetch.download import Checksum
    from app.data.fetch.hub import is_hub_id
    from app.data.fetch.unpacking import extract_data_set
    from app.workloads.documents.source.classes import TOBACCO

    is_rvl = isinstance(arguments, FetchRvlCdip)
    target = Path(arguments.out) / ("rvl-cdip" if is_rvl else "tobacco3482")
    must_hold = ("images", "labels/train.txt", "labels/val.txt", "labels/test.txt") if is_rvl else TOBACCO
    if target.exists():
        say(f"{target} already exists; nothing to do")
        return
    checksum = Checksum(arguments.md5, arguments.sha256)
    if is_hub_id(arguments.source):
        archive = fetch_mirror(arguments.source, arguments.revision, target, checksum)
    else:
        archive = fetch_archive(arguments.source, target, checksum)
    if archive is not None:
        extract_data_set(archive, target, must_hold)
        if not arguments.source.startswith("file:") and not arguments.keep_archive:
            archive.unlink()
    say(f"{target}: {len(files.list_files(str(target)))} files; next: jobs/prepare.py documents")


def fetch_mirror(hub_id: str, revision: str | None, target: Path, checksum: "Checksum") -> Path | None:
    """Bring a hub data set: its Parquet files as `target`, or else the path of its one archive, checked.

    Raises:
        DataError: it has several archives or none, or the one is not what the checksum is of.
        UsageError: a checksum for Parquet files, of which there are several.
    """
    from app.data.fetch.hub import fetch_snapshot
    from app.errors import DataError, UsageError

    staging = target.with_name(f".{target.name}.hub")
    found = fetch_snapshot(hub_id, revision, staging)
    if any(path.suffix == ".parquet" for path in found):
        if checksum:
            raise UsageError(
                f"--md5 and --sha256 are of one archive, and {hub_id} is {len(found)} files, which the hub's client "
                "checks against the hub's own digests: leave them out, and fix the version by --revision COMMIT"
            )
        staging.rename(target)
        return None
    archives = [path for path in found if path.suffix != ".txt"]
    if len(archives) != 1:
        names = ", ".join(path.name for path in archives)
        raise DataError(
            f"{hub_id} has {len(archives)} archives ({names}), expected one; give one's address as --source"
        )
    if wrong := checksum.mismatch(archives[0]):
        raise DataError(f"{archives[0].name} of {hub_id} is not the expected file: {wrong}")
    return archives[0]


def fetch_archive(source: str, target: Path, checksum: "Checksum") -> Path:
    """The archive on this machine, checked; its sha256 is shown where there is nothing to check it against."""
    import hashlib
    from urllib.parse import urlsplit

    from app.console import say
    from app.data.fetch.download import download, local_path
    from app.errors import DataError

    archive = local_path(source)
    if archive is None:
        archive = download(source, target.parent / f"{target.name}-{Path(urlsplit(source).path).name}", checksum)
    elif wrong := checksum.mismatch(archive):
        raise DataError(f"{archive} is not the expected file: {wrong}")
    if not checksum:
        with archive.open("rb") as file:
            seen = hashlib.file_digest(file, "sha256").hexdigest()
        say(f"no checksum given: {source} is taken as it is; its sha256 is {seen}")
    return archive


if __name__ == "__main__":
    from app.command_line import run

    run(
        {"msd-brain": FetchMsdBrain, "rvl-cdip": FetchRvlCdip, "tobacco3482": FetchTobacco3482},
        main,
        description=__doc__,
    )
