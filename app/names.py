"""Says when two spellings are one name: e-mail addresses and usernames are compared without regard to case."""

import unicodedata


def folded(name: str) -> str:
    """Return what all spellings of a name have in common (Unicode's compatibility caseless match, TR 15 and 21)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
