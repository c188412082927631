"""Makes access tokens for trying things out, signed with the running system's key."""

from app.security import Role, issue_access_token, new_principal
from app.settings import Settings
from stack.running import Stack


def access_token(stack: Stack, *, role: str, seconds: int = 900) -> str:
    """A token of somebody new with this role, valid for so many seconds."""
    settings = Settings(secret_key=stack.environment["BOOKSTORE_SECRET_KEY"], access_token_seconds=seconds)
    return issue_access_token(settings, new_principal(Role(role)))
