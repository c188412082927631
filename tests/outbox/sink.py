import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from stack.mailbox import Mail, mails_in


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask until the answer is yes, with a deadline that only a broken program meets."""
    async with asyncio.timeout(90):
        while not await condition():
            await asyncio.sleep(0.1)


async def mails_once_there(folder: Path, *, to: str, count: int) -> list[Mail]:
    """Wait until this many messages for the recipient are there, and return them."""
    found: list[Mail] = []

    async def there() -> bool:
        found[:] = [one for one in mails_in(folder) if one.to == to]
        return len(found) >= count

    await eventually(there)
    return found
