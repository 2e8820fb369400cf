"""File names as text: those of old archives may be no UTF-8; Python keeps lone surrogates, which nothing prints."""


def is_text(name: str) -> bool:
    """Whether it can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(name: str) -> str:
    r"""The name with bytes that are no UTF-8 as `\xe9`."""
    return name if is_text(name) else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
