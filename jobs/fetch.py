"""Download a data set, check it, unpack it; stopped and started again, it goes on where it was."""

from dataclasses import dataclass
from pathlib import Path


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


NAME = "Task01_BrainTumour"


def main(arguments: FetchMsdBrain) -> None:
    from app.console import say
    from app.data.archive import extract_tar
    from app.data.download import Checksum, download, local_path
    from app.errors import DataError

    folder = Path(arguments.out)
    if (folder / NAME).exists():
        say(f"{folder / NAME} is there already; nothing to do")
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
        raise DataError(f"{archive} is not the file that was wanted: {wrong}")
    target = extract_tar(archive, folder, NAME, "dataset.json")
    if local_path(source) is None and not arguments.keep_archive:
        archive.unlink()
    say(f"{target}: {sum(1 for path in target.glob('imagesTr/*.nii.gz'))} training images; next: jobs/prepare.py brats")


def published_address() -> tuple[str, str]:
    """Address and MD5 of the archive, as MONAI publishes them."""
    from monai.apps.datasets import DecathlonDataset  # here: seconds to import, and only the default needs it

    return DecathlonDataset.resource[NAME], DecathlonDataset.md5[NAME]


if __name__ == "__main__":
    from app.command_line import run

    run({"msd-brain": FetchMsdBrain}, main, description=__doc__)
