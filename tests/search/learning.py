"""Waits for the vocabulary to follow the catalogue."""

import asyncio

from app.search.vocabulary_feed import VocabularyFeed


async def learned(feed: VocabularyFeed, word: str) -> None:
    """Wait until the process knows the word: a second at most, and the time of a query."""
    async with asyncio.timeout(5):
        while word not in await feed.current():  # what is waited for is in the database
            await asyncio.sleep(0.05)
