"""Ready OCR text taken over, as QS-OCR distributes it: one .txt for each page, at the page's own relative path."""

from collections import Counter
from collections.abc import Iterator, Sequence

from app.data import files
from app.data.inside import link_reason
from app.data.text import decode_text
from app.errors import DataError
from app.workloads.documents.ocr.texts import PageText

NUM_PAGES_PER_BATCH = 1000
ENDING = ".txt"


def find_texts(folder: str, pages: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Page id and text file of each page that has one.

    A file belongs to a page when its path below `folder`, without the ending, is the page's id or source file; or,
    where no other page can claim it, ends that of the source (QS-OCR leaves `images/` out) or is the only one of that
    name.

    Args:
        folder: what is imported.
        pages: id and source file of each.

    Raises:
        DataError: there is no text file, or none of a page; or one is a link that leads out.
    """
    paths = [path for path in files.list_files(folder) if path.lower().endswith(ENDING)]
    if not paths:
        raise DataError(f"{folder} has no {ENDING} file; expected one for each page, as QS-OCR has them")
    if leads := next(((path, reason) for path in paths if (reason := link_reason(folder, path))), None):
        raise DataError(f"{leads[0]} {leads[1]}, outside {folder}: copy into it what is meant to be taken over")
    start = len(folder.rstrip("/")) + 1
    by_stem = {path[start : -len(ENDING)]: path for path in paths}
    names = Counter(files.name_of(stem) for stem in by_stem)
    by_name = {files.name_of(stem): path for stem, path in by_stem.items() if names[files.name_of(stem)] == 1}
    claims = []
    for page_id, source in pages:
        own = by_stem.get(page_id) or by_stem.get(_stem(source))
        path = own or next((by_stem[stem] for stem in _endings(source) if stem in by_stem), None)
        claims.append((page_id, path or by_name.get(files.name_of(_stem(source))), own is not None))
    num_claims = Counter(path for _, path, _ in claims)
    found = [(page, path) for page, path, is_own in claims if path is not None and (is_own or num_claims[path] == 1)]
    if pages and not found:
        raise DataError(
            f"{folder} has {len(paths)} {ENDING} files, but none of a page of the store: "
            f"saw {paths[0][start:]}, expected for example {_stem(pages[0][1])}{ENDING}"
        )
    return found


def import_texts(found: Sequence[tuple[str, str]], encoding: str | None = None) -> Iterator[list[PageText]]:
    """Batches of the pages' texts; `encoding`: of files without a byte order mark, else each is looked at."""
    for start in range(0, len(found), NUM_PAGES_PER_BATCH):
        yield [_read(page_id, path, encoding) for page_id, path in found[start : start + NUM_PAGES_PER_BATCH]]


def _read(page_id: str, path: str, encoding: str | None) -> PageText:
    try:
        decoded = decode_text(files.read_bytes(path), encoding)
    except (DataError, ValueError) as error:
        return PageText(page_id, "", None, "failed", f"{files.name_of(path)}: {error}")
    text = decoded.text.strip()
    if not text:
        return PageText(page_id, "", None, "empty", f"imported from {files.name_of(path)}")
    told = [f"from {decoded.encoding}"] if decoded.encoding != "utf-8" else []
    told += [f"{decoded.num_nuls} NUL characters left out"] if decoded.num_nuls else []
    return PageText(page_id, text, None, "ok", ", ".join(["imported", *told]))


def _endings(source: str) -> Iterator[str]:
    """What is left of the source file's path, without its ending, when folders before it are left out."""
    stem = _stem(source).partition("/")[2]
    while stem:
        yield stem
        stem = stem.partition("/")[2]


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"
