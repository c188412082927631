"""Turns records into what the database keeps, and says what a record changes in a book that is there already."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.ids import BOOK, MOVEMENT, new_id
from app.importing.records import BookRecord
from app.importing.shelves import Placement
from app.models.book import Book
from app.models.inventory import DEFAULT_LOW_STOCK_THRESHOLD, Inventory, MovementKind
from app.schemas.book import Availability
from app.search.text import index_fields

Stored = dict[str, Any]

ACTOR = "import"
"""Who the movements' books say put the first copies in."""


def facts_of(record: BookRecord, placement: Placement) -> Stored:
    """Return the fields that the row itself speaks of, as a book keeps them. What it doesn't say isn't in there."""
    series, price, rating, cover = record.series, record.price, record.rating, record.cover
    said: Stored = {
        "isbn13": record.isbn13,
        "isbn10": record.isbn10,
        "title": record.title,
        "subtitle": record.subtitle,
        "authors": list(record.authors),
        "description": record.description,
        "language": record.language,
        "publisher": record.publisher,
        "published_year": record.published_year,
        "series": {"name": series.name, "position": series.position} if series else None,
        "pages": record.pages,
        "format": record.format.value if record.format else None,
        "price": {"amount": price.amount, "currency": price.currency} if price else None,
        "rating": {"average": rating.average, "count": rating.count} if rating else None,
        "popularity": record.popularity,
        "cover": {"small": cover.small, "large": cover.large} if cover else None,
    }
    facts = {name: value for name, value in said.items() if value is not None}
    if record.isbn13 is not None:
        facts["isbn10"] = record.isbn10  # numbers that begin with 979 have none
    if record.categories:
        facts |= {"categories": placement.categories, "category_path": placement.path}
    return facts


def new_book(record: BookRecord, facts: Stored, *, at: datetime) -> Stored:
    """Return the book of a record that isn't in the catalogue yet."""
    price = record.offer.price
    book: Stored = {
        "_id": new_id(BOOK),
        "isbn13": None,
        "isbn10": None,
        "subtitle": None,
        "description": None,
        "categories": [],
        "category_path": [],
        "language": None,
        "publisher": None,
        "published_year": None,
        "series": None,
        "pages": None,
        "format": record.offer.format.value,
        "price": {"amount": price.amount, "currency": price.currency},
        "availability": _availability(record.offer.stock).value,
        "rating": {"average": 0.0, "count": 0},
        "popularity": 0,
        "cover": None,
        "source": record.source,
        "archived_at": None,
        "created_at": at,
        "updated_at": at,
        **facts,
    }
    return book | {"search": search_of(book)}


def new_inventory(book: Stored, stock: int) -> Stored:
    """Return the stock that a new book starts with."""
    return {
        "_id": book["_id"],
        "on_hand": stock,
        "held": 0,
        "sold": 0,
        "received": stock,
        "low_stock_threshold": DEFAULT_LOW_STOCK_THRESHOLD,
        "updated_at": book["created_at"],
    }


def new_movement(book: Stored, stock: int) -> Stored:
    """Return the movement that tells where the first copies came from."""
    return {
        "_id": new_id(MOVEMENT),
        "book_id": book["_id"],
        "kind": MovementKind.INITIAL.value,
        "delta": stock,
        "on_hand_after": stock,
        "reason": book["source"],
        "actor": ACTOR,
        "at": book["created_at"],
    }


def changes(existing: Mapping[str, Any], facts: Stored, *, at: datetime) -> Stored:
    """Return the fields of a book that the facts really change, with what follows from them, or nothing."""
    changed = {name: value for name, value in facts.items() if existing.get(name) != value}
    if not changed:
        return {}
    return changed | {"updated_at": at, "search": search_of({**existing, **changed})}


def search_of(book: Mapping[str, Any]) -> Stored:
    """Return what search keeps of a stored book."""
    series = book["series"]
    return index_fields(
        title=book["title"],
        subtitle=book["subtitle"],
        authors=book["authors"],
        series_name=series["name"] if series else None,
        series_position=series["position"] if series else None,
        publisher=book["publisher"],
        description=book["description"],
        isbn13=book["isbn13"],
        isbn10=book["isbn10"],
    ).model_dump()


def _availability(stock: int) -> Availability:
    inventory = Inventory.model_construct(on_hand=stock, held=0, low_stock_threshold=DEFAULT_LOW_STOCK_THRESHOLD)
    shown: Availability = inventory.availability
    return shown


FACT_FIELDS = {name: 1 for name in Book.model_fields if name not in {"id", "search", "created_at"}} | {"_id": 1}
"""The projection with which `changes` can compare."""
