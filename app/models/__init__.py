"""Beanie documents, and every MongoDB query of the program, named by what it means."""

from beanie import Document

from app.models.book import Book
from app.models.category import Category
from app.models.idempotency_key import IdempotencyKey
from app.models.inventory import Inventory, StockMovement
from app.models.search_term import SearchTerm

DOCUMENTS: list[type[Document]] = [Book, Category, IdempotencyKey, Inventory, SearchTerm, StockMovement]
"""Every collection."""
