"""Knows what an origin is."""

from urllib.parse import urlsplit


def is_origin(text: str) -> bool:
    """Tell whether this is an origin as browsers send it (RFC 6454): scheme, host, perhaps a port, and nothing else."""
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
