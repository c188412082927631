"""Spares everybody the wait for a server that doesn't answer (circuit breaker: Nygard, Release It!, 2007)."""

from app import clock


class Breaker:
    """Closed, calls go through; a failure opens it; after a pause one call may try whether the server is back."""

    def __init__(self, *, pause: float) -> None:
        """Take the pause in seconds."""
        self._pause = pause
        self._open_until: float | None = None

    @property
    def lets_through(self) -> bool:
        """Whether to try now; while open, at most one caller per pause hears yes."""
        if self._open_until is None:
            return True
        now = clock.monotonic()
        if now < self._open_until:
            return False
        self._open_until = now + self._pause
        return True

    @property
    def is_open(self) -> bool:
        """Whether nobody may try now; asking changes nothing."""
        return self._open_until is not None and clock.monotonic() < self._open_until

    def succeeded(self) -> None:
        """Close."""
        self._open_until = None

    def failed(self) -> None:
        """Open."""
        self._open_until = clock.monotonic() + self._pause
