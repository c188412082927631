"""Hashes and checks passwords (argon2id through passlib's API) in a few threads, so that requests aren't held up."""

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from passlib.context import CryptContext
from passlib.exc import PasslibSecurityError, UnknownHashError

from app.errors import Overloaded
from app.settings import Settings

T = TypeVar("T")

_LOWER_PRIORITY: Final = 10
_WAITING_PER_THREAD: Final = 100
"""More than these would wait for seconds: they are told to come again."""


@dataclass(frozen=True)
class Verdict:
    """What became of a check: whether the password is right, and a stronger hash where the kept one is outdated."""

    right: bool
    new_hash: str | None = None


class Passwords:
    """Hashes and checks passwords; at most as many at once as there are threads."""

    def __init__(self, settings: Settings) -> None:
        """Take the parameters of argon2id (RFC 9106) from the settings."""
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=settings.password_memory_kib,
            argon2__time_cost=settings.password_time_cost,
            argon2__parallelism=1,
        )
        self._pool = ThreadPoolExecutor(settings.password_threads, "passwords", initializer=_step_back)
        self._threads = settings.password_threads
        self._most_waiting = settings.password_threads * _WAITING_PER_THREAD
        self._waiting = 0
        self._nobodys: str | None = None

    @property
    def is_crowded(self) -> bool:
        """Whether somebody waits for a thread."""
        return self._waiting > self._threads

    async def hash(self, password: str) -> str:
        """Return the hash to keep of a password.

        Raises:
            Overloaded: too many wait already.
        """
        hashed: str = await self._run(lambda: self._context.hash(_normal(password)))
        return hashed

    async def check(self, password: str, kept: str | None) -> Verdict:
        """Tell whether this is the password of the hash; where there is none, no, after just as long.

        Raises:
            Overloaded: too many wait already.
        """
        return await self._run(lambda: self._check(_normal(password), kept))

    def _check(self, password: str, kept: str | None) -> Verdict:
        if self._nobodys is None:
            self._nobodys = self._context.hash(os.urandom(16).hex())
        try:
            right, new_hash = self._context.verify_and_update(password, kept or self._nobodys)
        except (UnknownHashError, PasslibSecurityError, ValueError):
            return Verdict(right=False)
        return Verdict(bool(right) and kept is not None, new_hash)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._most_waiting:
            raise Overloaded("Too many people sign in at the moment; try again shortly.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _normal(password: str) -> str:
    # As people type it on another keyboard (NIST SP 800-63B, section 3.1.1.2).
    return unicodedata.normalize("NFKC", password)


def _step_back() -> None:
    # A thread has a priority of its own on Linux: hashing gets what answering requests leaves. Where `nice` gave all
    # of them a lower one yet, that is kept: only root may raise it.
    given = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(given, _LOWER_PRIORITY))
