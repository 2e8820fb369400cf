"""What computers leave among people's files: thumbnails of a NAS, bins, what archives of a Mac bring along."""

FOLDERS = frozenset(
    {
        *("@eadir", "#recycle", "@recycle", "#snapshot", "@recently-snapshot", "@tmp", "@sharesnap"),  # NAS makers
        *("__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found"),
    }
)
FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})


def is_clutter(path: str) -> bool:
    """Whether a file, by its path below what was given, is none of a person's. (Hidden ones are not listed at all.)"""
    *folders, name = path.lower().split("/")
    return name in FILES or any(folder in FOLDERS for folder in folders)
