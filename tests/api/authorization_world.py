"""Opens a shop with one person of each kind."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI

from app.lifespan import Resources
from app.models.user import User
from app.security import Role
from tests.api.authorization_table import World
from tests.conftest import client_of
from tests.factories.accounts import PASSWORD, a_user


@asynccontextmanager
async def opened(app: FastAPI, shop: Resources, anonymous: httpx.AsyncClient) -> AsyncIterator[World]:
    """A shop with one person of each kind; whatever else a path or a body names is made when it is asked for."""
    await a_user(anonymous, email="somebody@example.com", username="somebody")
    roles = {"owner": Role.CUSTOMER, "stranger": Role.CUSTOMER, "staff": Role.STAFF, "admin": Role.ADMIN}
    async with AsyncExitStack() as stack:
        people = {person: await stack.enter_async_context(client_of(app, shop, role)) for person, role in roles.items()}
        hashed = await shop.desk.passwords.hash(PASSWORD)
        await User.get_pymongo_collection().update_many({}, {"$set": {"password_hash": hashed}})
        yield World({"anonymous": anonymous} | people, shop)
