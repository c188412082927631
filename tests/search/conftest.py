"""Gives search tests a vocabulary of their own."""

import pytest

from app.lifespan import Resources
from app.search.vocabulary_feed import VocabularyFeed


@pytest.fixture
async def fresh_vocabulary(shop: Resources) -> VocabularyFeed:
    """A feed that knows nothing of the tests before."""
    await shop.vocabulary.aclose()
    shop.vocabulary = VocabularyFeed()
    return shop.vocabulary
