from datetime import timedelta
from typing import Any

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.cache import invalidation
from app.cache.commits import Commit
from app.cache.edge import Edge
from app.cache.invalidation import GRANT, Invalidator
from app.cache.shared import SharedStore
from app.cache.tags import BOOKS, CATEGORIES, EVERYTHING, SEARCH, SUGGEST
from app.cache.watcher import mark_of, touched_by
from app.database import Database
from app.idempotency import Attempt
from app.models.cache_grant import CacheGrant
from tests.factories.own_redis import OwnRedis
from tests.factories.watching import believed, fill, gone, seen_everything, until

LISTS = {BOOKS, SEARCH, SUGGEST, CATEGORIES}
OWN = {"bk_1", "9780441478125", "0441478123"}


def an_event(**overrides: Any) -> dict[str, Any]:
    return {
        "operationType": "update",
        "ns": {"db": "bookstore", "coll": "books"},
        "fullDocument": {"_id": "bk_1", "isbn13": "9780441478125", "isbn10": "0441478123"},
        "updateDescription": {"updatedFields": {"price.amount": 1}, "removedFields": []},
    } | overrides


@pytest.mark.parametrize(
    ("event", "names"),
    [
        (an_event(), OWN | {BOOKS, SEARCH}),
        (an_event(operationType="insert", updateDescription=None), OWN | LISTS),
        (an_event(operationType="replace", updateDescription=None), {EVERYTHING}),
        (an_event(operationType="rename", updateDescription=None, ns={"coll": "tmp"}), {EVERYTHING}),
        (an_event(updateDescription={"updatedFields": {"title": "Emma"}}), OWN | {BOOKS, SEARCH, SUGGEST}),
        (an_event(updateDescription={"truncatedArrays": [{"field": "search.terms"}]}), OWN | {BOOKS, SEARCH, SUGGEST}),
        (an_event(updateDescription={"updatedFields": {"categories.0.name": "X"}}), OWN | {BOOKS, SEARCH, CATEGORIES}),
        (an_event(updateDescription={"updatedFields": {"archived_at": 1}}), OWN | LISTS),
        (an_event(updateDescription={"updatedFields": {"isbn13": "9780261103344"}}), {EVERYTHING}),
        (an_event(updateDescription={"removedFields": ["isbn10"]}), {EVERYTHING}),
        (an_event(operationType="delete", fullDocument=None), {EVERYTHING}),
        (an_event(fullDocument=None), {EVERYTHING}),
        (an_event(operationType="drop"), {EVERYTHING}),
        (an_event(ns={"coll": "categories"}), {EVERYTHING}),
        (an_event(ns={"coll": "cache_grants"}), set()),
        (an_event(ns={"coll": "search_terms"}), {SEARCH, SUGGEST}),
    ],
)
def test_an_event_touches_what_it_may_have_changed(event: dict[str, Any], names: set[str]) -> None:
    assert touched_by(event) == names


def test_a_mark_is_read_from_the_change_itself_and_not_from_what_the_row_is_now() -> None:
    event = an_event(
        ns={"coll": "cache_grants"},
        fullDocument={"mark": "later"},
        updateDescription={"updatedFields": {"mark": "this one"}},
    )

    assert mark_of(event) == "this one"


async def test_a_write_from_outside_is_shown_within_a_second(watched: tuple[SharedStore, Database]) -> None:
    store, database = watched
    await database.database["books"].insert_one({"_id": "bk_1", "isbn13": "9780441478125"})
    await until(lambda: believed(store))
    await fill(store, "bk_1", b"10")
    await fill(store, "9780441478125", b"10")
    await fill(store, BOOKS, b"10")

    await database.database["books"].update_one({"_id": "bk_1"}, {"$set": {"price": {"amount": 11}}})

    for name in ("bk_1", "9780441478125", BOOKS):
        await until(lambda name=name: gone(store, name))  # type: ignore[misc]  # a lambda with its loop's value


async def test_what_takes_the_place_of_all_books_is_shown(watched: tuple[SharedStore, Database]) -> None:
    # given
    store, database = watched
    await database.database["staged"].insert_one({"_id": "bk_1"})
    await until(lambda: believed(store))
    await fill(store, "bk_1", b"10")

    # when: it keeps the indexes
    await (await database.database["staged"].aggregate([{"$out": "books"}])).to_list()
    await database.database["staged"].delete_many({})

    # then
    await until(lambda: gone(store, "bk_1"))


async def test_a_redis_that_hung_through_a_write_is_believed_only_when_all_is_made_up_for(
    watched: tuple[SharedStore, Database], own_redis: OwnRedis
) -> None:
    store, database = watched
    await database.database["books"].insert_one({"_id": "bk_1"})
    await until(lambda: believed(store))
    await fill(store, "bk_2", b"the old price")

    own_redis.hang()
    # A writer that can't reach Redis waits until nobody believes it, and then may answer.
    await Invalidator(shared=store, edges=[]).touch(frozenset({"bk_2"}))
    own_redis.resume()

    seen: list[tuple[bytes | None, bool]] = []

    async def believed_again() -> bool:
        look = await store.look("bk_2", "v")
        seen.append((look.answer, look.believed))
        return await believed(store)

    await database.database["books"].update_one({"_id": "bk_1"}, {"$set": {"price": {"amount": 11}}})
    await until(believed_again)
    assert (b"the old price", True) not in seen


async def test_without_redis_a_writer_waits_no_longer_than_the_last_grant(
    watched: tuple[SharedStore, Database], own_redis: OwnRedis
) -> None:
    store, database = watched
    await until(lambda: believed(store))
    await own_redis.kill()
    invalidator = Invalidator(shared=store, edges=[])

    first = await CacheGrant.until()
    await invalidator.touch(frozenset({"bk_1"}))

    async def no_more_grants() -> bool:
        until = await CacheGrant.until()
        await database.database["books"].update_one({"_id": "bk_1"}, {"$set": {"n": 1}}, upsert=True)
        await database.database["books"].delete_one({"_id": "bk_1"})
        return until is not None and clock.now() > until + GRANT

    assert first is not None
    await until(no_more_grants)
    began = clock.monotonic()
    await invalidator.touch(frozenset({"bk_1"}))
    assert clock.monotonic() - began < GRANT.total_seconds()


async def _change(database: Database, price: int, *, session: AsyncClientSession | None = None) -> Commit:
    """Change the book in a transaction, as a writer does, whose sessions are used again; return its commit."""
    attempts: list[Attempt] = []

    async def work(session: AsyncClientSession) -> None:
        attempts.append(Attempt(session))
        change = {"$set": {"price": {"amount": price}}}
        await database.database["books"].update_one({"_id": "bk_1"}, change, upsert=True, session=session)

    await (session.with_transaction(work) if session else database.run_in_transaction(work))
    commit = attempts[-1].commit
    assert commit is not None
    return commit


async def test_what_its_writer_told_everybody_is_not_invalidated_again(prepared: tuple[SharedStore, Database]) -> None:
    store, database = prepared
    commit = await _change(database, 10)
    await Invalidator(shared=store, edges=[]).touch(frozenset({"bk_1", BOOKS, SEARCH}), commit=commit)

    await fill(store, "bk_1", b"10")
    await seen_everything(store, database)

    assert (await store.look("bk_1", "v")).answer == b"10"


async def test_a_session_that_tells_of_one_change_after_the_other_is_believed_of_each(
    prepared: tuple[SharedStore, Database],
) -> None:
    store, database = prepared
    invalidator = Invalidator(shared=store, edges=[])
    async with database.client.start_session() as session:
        first = await _change(database, 10, session=session)
        await invalidator.touch(frozenset({"bk_1", BOOKS}), commit=first)
        second = await _change(database, 11, session=session)
    await invalidator.touch(frozenset({"bk_1", SEARCH}), commit=second)

    told = await store.told([first, second])

    assert second.session == first.session
    assert told == {first: {"bk_1", BOOKS, SEARCH}, second: {"bk_1", SEARCH}}


async def test_a_writer_that_died_after_its_commit_is_made_up_for(prepared: tuple[SharedStore, Database]) -> None:
    store, database = prepared
    await fill(store, "bk_1", b"9")

    await _change(database, 10)

    await until(lambda: gone(store, "bk_1"))


async def test_a_writer_that_died_is_made_up_for_whatever_its_session_told_before(
    prepared: tuple[SharedStore, Database],
) -> None:
    store, database = prepared
    async with database.client.start_session() as session:
        told = await _change(database, 10, session=session)
        await Invalidator(shared=store, edges=[]).touch(frozenset({"bk_1", BOOKS, SEARCH}), commit=told)
        await fill(store, "bk_1", b"10")

        silent = await _change(database, 11, session=session)

    assert silent.session == told.session
    await until(lambda: gone(store, "bk_1"))


async def test_what_a_writer_left_out_is_told_by_the_watcher(prepared: tuple[SharedStore, Database]) -> None:
    store, database = prepared
    await fill(store, SEARCH, b"9")
    commit = await _change(database, 10)

    await Invalidator(shared=store, edges=[]).touch(frozenset({"bk_1", BOOKS}), commit=commit)

    await until(lambda: gone(store, SEARCH))


async def test_a_writer_notes_nothing_while_an_edge_has_not_confirmed(
    prepared: tuple[SharedStore, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, database = prepared
    monkeypatch.setattr(invalidation, "EDGE_LEASE", timedelta(seconds=0.1))
    commit = await _change(database, 10)

    await Invalidator(shared=store, edges=[Edge("/nobody/listens/here")]).touch(frozenset({"bk_1"}), commit=commit)

    assert await store.told([commit]) == {commit: frozenset()}
