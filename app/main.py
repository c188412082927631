"""Puts the application together. `create_app` opens nothing; the lifespan does."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app import methods, openapi, problems
from app.browsers import Browsers
from app.lifespan import lifespan
from app.middleware import Gate
from app.paths import API
from app.routers import (
    admin,
    audit,
    auth,
    books,
    carts,
    categories,
    inventory,
    orders,
    payments,
    search,
    system,
    users,
    webhooks,
)
from app.routers.hot import HotReads
from app.routers.responses import EVERYWHERE
from app.settings import Settings
from app.telemetry import configure_logging


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application for the settings, or for those of the environment."""
    # Its pages bring what they load: a browser needs nothing but us.
    app = FastAPIOffline(
        title="Bookstore",
        version="1.0.0",
        summary="Books, their stock, and a search that finds what people mean.",
        lifespan=lifespan,
        openapi_url=f"{API}/openapi.json",
        docs_url=f"{API}/docs",
        redoc_url=f"{API}/redoc",
        static_url=f"{API}/docs/static",
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours is app/telemetry.py
        responses=EVERYWHERE,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings or Settings()
    configure_logging(app.state.settings.process_name)  # before the server says its first word
    for router in (
        auth.router,
        users.router,
        search.router,
        books.router,
        categories.router,
        inventory.router,
        carts.router,
        orders.router,
        payments.router,
        admin.router,
        audit.router,
        webhooks.router,
        system.router,
    ):
        app.include_router(router, prefix=API)
    app.include_router(system.probes)
    problems.install(app)
    app.add_middleware(Gate, settings=app.state.settings)
    app.add_middleware(Browsers, settings=app.state.settings)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    methods.complete(app)
    app.router.routes.insert(0, HotReads(app, prefix=API))
    return app
