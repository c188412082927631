"""Waits for the vocabulary to follow the catalogue."""

import asyncio

from app.search.vocabulary_feed import VocabularyFeed


async def learned(feed: VocabularyFeed, word: str) -> None:
    """Wait until the process knows the word: a second, and the time of a query; more on a busy machine."""
    async with asyncio.timeout(60):
        while word not in await feed.current():  # what is waited for is in the database
            await asyncio.sleep(0.05)
