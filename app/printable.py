"""Text from files and names as a terminal or a log may show it: no line of its own, no control codes."""


def printable(text: str, encoding: str | None = None) -> str:
    """The text with whatever does not print, or not in this encoding, as a backslash escape: line ends, terminal codes,
    marks that turn the direction of writing, half surrogate pairs."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text
