"""The file systems behind URLs."""

from typing import Any

SILENT_S = 60.0
"""Assumed: a web server that says nothing for so long will not. Object stores' own clients have bounds such as this."""


def open_remote(path: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Raises what fsspec does."""
    import fsspec.core  # here: local jobs do not need it

    options: dict[str, Any] = {}
    if path.startswith(("http://", "https://")):
        import aiohttp

        options["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(total=None, connect=SILENT_S, sock_read=SILENT_S)}
    system, key = fsspec.core.url_to_fs(path, **options)
    return system, key


def open_with_folder(path: str) -> tuple[Any, str]:
    """The same, and the folder of the path is there."""
    system, key = open_remote(path)
    # A real folder on some systems, nothing on object stores.
    system.makedirs(key.rpartition("/")[0] or "/", exist_ok=True)
    return system, key
