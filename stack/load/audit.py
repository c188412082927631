"""Looks up on every database node, in that node's own copy, what became of a run's writes."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from stack.errors import StackError
from stack.load.shop import FIRST_PRICE, Shop
from stack.profile import Profile
from stack.secrets import load_secrets
from stack.unanswered import answers_wanted

_CATCH_UP_SECONDS = 90.0

Node = AsyncMongoClient[dict[str, Any]]
Database = AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True)
class NodeAudit:
    """What one node has of what was acknowledged."""

    node: str
    found: int
    lost: list[str]
    doubled: list[str]


@dataclass(frozen=True)
class Audit:
    """The verdict of every node."""

    acknowledged: int
    nodes: list[NodeAudit]

    @property
    def lost(self) -> list[str]:
        """Acknowledged writes that some node hasn't got."""
        return sorted({mark for node in self.nodes for mark in node.lost})

    @property
    def doubled(self) -> list[str]:
        """Writes that took effect twice."""
        return sorted({mark for node in self.nodes for mark in node.doubled})


async def audit(profile: Profile, shop: Shop) -> Audit:
    """Wait until every node has applied what the primary has, and compare each one's copy with what was acknowledged.

    Raises:
        StackError: a node doesn't answer or doesn't catch up.
    """
    nodes = {f"mongo-{number}": _open(profile, port) for number, port in enumerate(profile.ports.mongo, 1)}
    try:
        await _caught_up(nodes)
        with answers_wanted("what became of the run's writes can't be looked up"):
            verdicts = [await _audit_node(name, _local_copy(client), shop) for name, client in nodes.items()]
    finally:
        for client in nodes.values():
            await client.close()
    acknowledged = len(shop.created) + len(shop.bought) + sum(len(book.acknowledged) for book in shop.stocked)
    acknowledged += sum(book.acknowledged - FIRST_PRICE for book in shop.priced)
    return Audit(acknowledged, verdicts)


async def forget(profile: Profile, shop: Shop) -> None:
    """Take the run's books out of the shop again.

    Raises:
        StackError: the databases don't let us.
    """
    with answers_wanted("the run's books can't be taken out of the shop"):
        await _forget(profile, shop)


async def _forget(profile: Profile, shop: Shop) -> None:
    async with _open(profile) as client:
        database = client["bookstore"]
        authors = [f"{what} {shop.mark}" for what in ("Titles", "Prices", "Stocks")]
        ids = [row["_id"] async for row in database.books.find({"authors": {"$in": authors}}, {"_id": 1})]
        await database.stock_movements.delete_many({"book_id": {"$in": ids}})
        await database.inventory.delete_many({"_id": {"$in": ids}})
        await database.books.delete_many({"_id": {"$in": ids}})
        await database.search_terms.delete_many({"_id": shop.mark})


def _url(profile: Profile, port: int | None) -> str:
    password = load_secrets(profile.folder.parent).mongo_app_password
    hosts = ",".join(f"127.0.0.1:{each}" for each in ([port] if port else profile.ports.mongo))
    how = "directConnection=true" if port else "replicaSet=bookstore"
    return f"mongodb://bookstore_app:{password}@{hosts}/?authSource=admin&{how}"


def _open(profile: Profile, port: int | None = None) -> Node:
    return AsyncMongoClient(_url(profile, port), serverSelectionTimeoutMS=5000)


def _local_copy(client: Node) -> Database:
    return client.get_database(
        "bookstore", read_concern=ReadConcern("local"), read_preference=ReadPreference.SECONDARY_PREFERRED
    )


async def _caught_up(nodes: dict[str, Node]) -> None:
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    goal: Any = None
    while True:
        states = {name: await _state(client) for name, client in nodes.items()}
        writable = [state for state in states.values() if state and state["isWritablePrimary"]]
        if goal is None and writable:
            goal = _position(writable[0])
        behind = [name for name, state in states.items() if goal is None or not state or _position(state) < goal]
        roles = [bool(state and (state["isWritablePrimary"] or state["secondary"])) for state in states.values()]
        if not behind and all(roles):
            return
        if time.monotonic() > deadline:
            raise StackError(f"after {_CATCH_UP_SECONDS:.0f} s {', '.join(behind)} still isn't level with the primary")
        await asyncio.sleep(0.1)


async def _state(client: Node) -> dict[str, Any] | None:
    try:
        return await client.admin.command("hello")
    except PyMongoError:
        return None


def _position(state: dict[str, Any]) -> tuple[int, Any]:
    optime = state["lastWrite"]["opTime"]
    return optime["t"], optime["ts"]


async def _audit_node(name: str, database: Database, shop: Shop) -> NodeAudit:
    titles = database.books.find({"authors": f"Titles {shop.mark}"}, {"title": 1})
    stocked = {"book_id": {"$in": [book.id for book in shop.stocked]}}
    counted = Counter([row["title"] async for row in titles])
    counted += Counter([row["reason"] async for row in database.stock_movements.find(stocked, {"reason": 1})])
    marks = [title for _, title in shop.created] + [mark for book in shop.stocked for mark in book.acknowledged]
    lost = [mark for mark in marks if counted[mark] == 0]
    doubled = [mark for mark, count in counted.items() if count > 1]
    for stock in shop.stocked:
        row = await database.inventory.find_one({"_id": stock.id}) or {"on_hand": 0}
        if row["on_hand"] < len(stock.acknowledged):
            lost.append(f"{len(stock.acknowledged) - row['on_hand']} copies of {stock.id}")
        if row["on_hand"] > stock.asked:
            doubled.append(f"{row['on_hand'] - stock.asked} copies of {stock.id}")
    found = len(marks) - len(lost)
    orders = {row["_id"] async for row in database.orders.find({"lines.book_id": {"$in": shop.sold}}, {"_id": 1})}
    lost += [order for order in shop.bought if order not in orders]
    found += len(orders & set(shop.bought))
    # Each purchase had a key of its own, and was settled: an order that nobody was told of was made twice.
    doubled += sorted(orders - set(shop.bought))
    for book in shop.priced:
        price = (await database.books.find_one({"_id": book.id}) or {"price": {"amount": 0}})["price"]["amount"]
        found += min(price, book.acknowledged) - FIRST_PRICE
        lost += [f"price {each} of {book.id}" for each in range(max(price, FIRST_PRICE) + 1, book.acknowledged + 1)]
        if price > book.asked:
            doubled.append(f"price {price} of {book.id}")
    return NodeAudit(name, found, lost, doubled)
