"""Why a page is not used."""


class BadPage(Exception):
    """A page that is not fit for use; its message says why."""
