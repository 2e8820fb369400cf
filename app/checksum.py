"""A file's checksum within the file itself, so that both are written in one go and stay together wherever it is copied.

The writer puts PLACEHOLDER where the format has room for a text: a key of a JSON file, the notes in a Parquet footer.
`sealed` writes the SHA-256 of the content over its zeros. Checkpoints need none of this: they are zip archives, whose
members have checksums of their own (`check_archive`).

A file without one was made before there were any, or by somebody else, and is taken as it is.
"""

import hashlib
import io
import re
import zipfile

from app.strict_json import DamagedFileError

KEY = "checksum"
PREFIX = "sha256:twofold:"
NUM_DIGITS = 64
PLACEHOLDER = PREFIX + "0" * NUM_DIGITS

_PREFIX = PREFIX.encode()
_SEAL = re.compile(re.escape(_PREFIX) + rb"[0-9a-f]{64}")


FOLDER = 0x10
"""The attribute of a zip's member that says it is a folder (MS-DOS)."""


def check_archive(content: bytes) -> None:
    """torch.load does not compare the CRC-32 of a zip's members, and reads nothing of one that is marked as a folder:
    a tensor is then whatever was in memory.

    Raises:
        zipfile.BadZipFile: this is no zip, or a damaged one.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if (member := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"wrong CRC-32 of {member}")
        if folders := [one.filename for one in archive.infolist() if one.external_attr & FOLDER]:
            raise zipfile.BadZipFile(f"{folders[0]} is marked as a folder, expected a file")


def sealed(content: bytes) -> bytes:
    """The content with its checksum in place of the last PLACEHOLDER in it."""
    start = content.rindex(PLACEHOLDER.encode()) + len(_PREFIX)
    return content[:start] + hashlib.sha256(content).hexdigest().encode() + content[start + NUM_DIGITS :]


def check(content: bytes, where: str) -> None:
    """Raises DamagedFileError when the content is not what its checksum was made of."""
    start = content.rfind(_PREFIX)
    if start < 0 or _SEAL.match(content, start) is None:
        return
    start += len(_PREFIX)
    view = memoryview(content)
    digest = hashlib.sha256(view[:start])
    digest.update(b"0" * NUM_DIGITS)
    digest.update(view[start + NUM_DIGITS :])
    if digest.hexdigest().encode() != content[start : start + NUM_DIGITS]:
        raise DamagedFileError(
            where,
            f"its {KEY} does not match, so it was changed after it was written; restore it, or, if it was edited on "
            f'purpose, replace the {KEY} by an empty text: "{KEY}": ""',
        )
