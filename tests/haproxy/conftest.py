"""A fresh HAProxy and fresh origins for each test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from tests.haproxy.edge import Edge, settings
from tests.haproxy.origin import Origin


class StartEdge(Protocol):
    """Starts HAProxy in front of these origins; keywords are environment variables."""

    async def __call__(self, *origins: Origin, **environment: str) -> Edge: ...


@pytest_asyncio.fixture
async def start_edge(tmp_path: Path) -> AsyncIterator[StartEdge]:
    async with AsyncExitStack() as running:

        async def start(*origins: Origin, **environment: str) -> Edge:
            return await running.enter_async_context(Edge(tmp_path, settings(tmp_path, origins, **environment)))

        yield start


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as one:
        yield one


@pytest_asyncio.fixture
async def second_origin() -> AsyncIterator[Origin]:
    async with Origin() as another:
        yield another


@pytest_asyncio.fixture
async def edge(start_edge: StartEdge, origin: Origin) -> Edge:
    """One origin behind a HAProxy with the local stack's settings."""
    return await start_edge(origin)


@pytest.fixture
def book_path() -> str:
    return "/api/v1/books/bk_01JABCDEFGHJKMNPQRSTVWXYZ0"
