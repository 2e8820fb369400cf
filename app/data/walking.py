"""The files below a local folder, each once on every way that is no circle."""

import os


def walk(root: str) -> list[str]:
    """Whole paths, in any order; links are followed, but for those to a folder that they lie in. Hidden files and
    folders (a leading dot) are left out.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not os.path.isdir(root):
        raise FileNotFoundError("no such folder")
    found = []
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(root, folder, name)]
        found += [os.path.join(folder, name) for name in names if not name.startswith(".")]
    return found


def _leads_back(root: str, folder: str, name: str) -> bool:
    """Whether a folder is a link to one that was passed on the way to it."""
    path = os.path.join(folder, name)
    if not os.path.islink(path):
        return False
    parts = folder[len(root) :].strip("/").split("/")
    passed = [os.path.join(root, *parts[:count]) for count in range(len(parts) + 1)]
    return any(os.path.samefile(path, one) for one in passed)
