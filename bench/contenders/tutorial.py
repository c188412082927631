"""A cached read as tutorials build it: FastAPI, JSON from Redis, a response model."""

import json
import os
from typing import Any, Final

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from redis.asyncio import Redis

REDIS: Final[Redis] = Redis.from_url(os.environ["BENCH_REDIS"])
app = FastAPI()


class Money(BaseModel):
    """A price."""

    amount: int
    currency: str


class Category(BaseModel):
    """A category."""

    id: str
    slug: str
    name: str


class Series(BaseModel):
    """A series."""

    name: str
    position: str | None


class Rating(BaseModel):
    """A rating."""

    average: float
    count: int


class Cover(BaseModel):
    """A cover."""

    small: str
    large: str


class Book(BaseModel):
    """A book."""

    id: str
    isbn13: str | None
    isbn10: str | None
    title: str
    subtitle: str | None
    authors: list[str]
    description: str | None
    categories: list[Category]
    language: str | None
    publisher: str | None
    published_year: int | None
    series: Series | None
    pages: int | None
    format: str
    price: Money
    availability: str
    in_stock: bool
    rating: Rating
    cover: Cover | None
    created_at: str
    updated_at: str


@app.get("/api/v1/books/{book_id}", response_model=Book)
async def get_book(book_id: str) -> Any:
    """Get a book."""
    cached = await REDIS.get(f"/api/v1/books/{book_id}")
    if cached is None:
        raise HTTPException(404)
    return json.loads(cached)
