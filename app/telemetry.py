"""Counts, times and logs: Prometheus metrics, and JSON lines on standard output."""

import logging
import sys
from contextvars import ContextVar
from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

logger: Final = logging.getLogger("bookstore")

REQUESTS: Final = Counter("bookstore_requests_total", "Requests answered", ["method", "route", "status"])
LATENCY: Final = Histogram(
    "bookstore_request_seconds",
    "Time from the request's first byte to the answer's last",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT: Final = Gauge("bookstore_requests_in_flight", "Requests being answered")
SHED: Final = Counter("bookstore_requests_shed_total", "Requests refused because too many were in flight")


REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The request that is being answered: every line that is logged meanwhile carries its id."""


def _with_request_id(record: logging.LogRecord) -> bool:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        record.request_id = request_id
    return True


@cache
def requests_of(method: str, route: str, status: int) -> Counter:
    """Return the counter for requests like these; looking it up by labels takes longer than counting."""
    return REQUESTS.labels(method, route, str(status))


@cache
def latency_of(route: str) -> Histogram:
    """Return the histogram for a route's requests."""
    return LATENCY.labels(route)


def configure_logging(process_name: str) -> None:
    """Write log records as JSON lines to standard output, each with the process's name and the request's id."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_with_request_id)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "at", "levelname": "level"},
            static_fields={"process": process_name},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # uvicorn's, for terminals
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for server in ("uvicorn", "uvicorn.error"):
        logging.getLogger(server).handlers.clear()
        logging.getLogger(server).propagate = True
    for talkative in ("pymongo", "stripe"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
