from datetime import timedelta

import httpx

from app import clock
from app.lifespan import Resources
from app.models.search_term import SearchTerm
from tests.factories.books import a_book


async def test_a_count_forgets_no_word_that_one_begun_later_has_counted(
    shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    later = (clock.now() + timedelta(minutes=1)).replace(microsecond=0)
    await a_book(staff, title="Whale")
    words = shop.database.database["search_terms"]
    await words.update_one({"_id": "whale"}, {"$set": {"counted_at": later}})
    await words.insert_one({"_id": "krill", "df": 1, "added_at": later - timedelta(hours=1), "counted_at": later})

    # when
    await SearchTerm.recount()

    # then
    found = words.find({"_id": {"$in": ["whale", "krill"]}})
    assert {row["_id"]: row["counted_at"] async for row in found} == {"whale": later, "krill": later}
