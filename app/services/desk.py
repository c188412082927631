"""What the use cases of accounts work with, and where a request of theirs comes from."""

from dataclasses import dataclass

from app.idempotency import Writer
from app.passwords import Passwords
from app.rate_limits import RateLimits
from app.refresh_tokens import RefreshTokens
from app.services.admitting import Admissions
from app.settings import Settings


@dataclass(frozen=True)
class Device:
    """Where a request comes from, for the list of sessions."""

    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True)
class Desk:
    """What the use cases of accounts work with."""

    settings: Settings
    writer: Writer
    passwords: Passwords
    refresh_tokens: RefreshTokens
    limits: RateLimits
    admissions: Admissions

    @classmethod
    def of(cls, settings: Settings, writer: Writer) -> "Desk":
        """Return one with everything that the settings ask for."""
        passwords = Passwords(settings)
        admissions = Admissions(writer.database, passwords)
        return cls(settings, writer, passwords, RefreshTokens(settings), RateLimits(settings), admissions)

    async def aclose(self) -> None:
        """End threads and connections."""
        self.passwords.close()
        await self.limits.aclose()
