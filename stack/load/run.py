"""Runs load through HAProxy while a script breaks things, and audits what came of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stack.environment import REPLICA_SET
from stack.errors import StackError
from stack.faults import Fault
from stack.load.audit import Audit, audit, forget
from stack.load.exchange import Exchange
from stack.load.history import History, Kind
from stack.load.shop import Shop, close_down, open_shop, stock_up
from stack.load.traffic import PATTERN, Traffic
from stack.replica_set import RoleWatch
from stack.running import Stack
from stack.tokens import access_token

_ROLE_PAUSE = 0.05
_TOKEN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Event:
    """Something that happened, in seconds since the load began."""

    at: float
    what: str
    text: str


@dataclass(frozen=True)
class RoleSpan:
    """What a database node was for a while: primary, secondary, or gone."""

    node: str
    role: str
    begin: float
    end: float


@dataclass
class Course:
    """A run under way: what a script works with, and what a view shows."""

    stack: Stack
    traffic: Traffic
    began_at: datetime
    events: list[Event] = field(default_factory=list)
    roles: list[RoleSpan] = field(default_factory=list)
    phase: str = "warming up"
    longest_pause: float = 0.0

    @property
    def primary(self) -> str | None:
        """The database node that takes writes now, where one is known."""
        now = {span.node: span.role for span in self.roles}
        return next((node for node, role in now.items() if role == "primary"), None)

    def note(self, what: str, text: str, *, at: float | None = None) -> None:
        """Write down that something happened."""
        self.events.append(Event(self.traffic.now() if at is None else at, what, text))

    async def fault(self, fault: Fault, target: str) -> str:
        """Break or heal something; returns the process's name."""
        at = self.traffic.now()
        name = await asyncio.to_thread(self.stack.fault, fault, target)
        self.note(fault.value, f"{fault.value} {name}", at=at)
        return name

    async def until(self, seconds: float) -> None:
        """Let the load go on until so many seconds after its beginning."""
        await asyncio.sleep(max(0.0, seconds - self.traffic.now()))

    async def primary_other_than(self, node: str | None, *, seconds: float = 60.0) -> str:
        """Wait until another node is primary, and return which.

        Raises:
            StackError: none is within so many seconds.
        """
        deadline = self.traffic.now() + seconds
        while self.primary in {None, node}:
            if self.traffic.now() > deadline:
                raise StackError(f"no other primary within {seconds:.0f} s; see ./bookstore status")
            await asyncio.sleep(_ROLE_PAUSE)
        assert self.primary is not None
        return self.primary


@dataclass(frozen=True)
class Run:
    """A finished run: what clients saw, what happened meanwhile, and what the databases have of it."""

    history: History
    shop: Shop
    audit: Audit
    events: list[Event]
    roles: list[RoleSpan]
    began_at: datetime
    seconds: float
    longest_pause: float
    """For how long the load generator itself was kept from working: what a machine that is too busy does to all."""


Script = Callable[[Course], Awaitable[None]]


async def run_under_load(
    stack: Stack,
    script: Script,
    *,
    rate: float,
    pattern: tuple[Kind, ...] = PATTERN,
    watch: Callable[[Course], Awaitable[None]] | None = None,
) -> Run:
    """Keep the load up until the script is through, wait for the last answer, audit every node, and tidy up.

    Raises:
        StackError: the shop doesn't answer, or a node stays behind.
    """
    headers = {"Authorization": f"Bearer {access_token(stack, role='staff', seconds=_TOKEN_SECONDS)}"}
    async with Exchange("127.0.0.1", stack.profile.ports.haproxy, headers=headers) as exchange:
        shop = await open_shop(exchange)
        if Kind.BUY in pattern:
            await stock_up(exchange, shop)
        traffic = Traffic(exchange, shop, pattern=pattern)
        course = Course(stack, traffic, datetime.now(UTC))
        async with _watching_roles(course), _beside(watch(course) if watch else None):
            acting = asyncio.ensure_future(script(course))
            try:
                await traffic.drive(rate=rate, until=acting.done)
            finally:
                acting.cancel()
                await asyncio.wait([acting])
            await acting
            seconds = traffic.now()
        await close_down(exchange, shop)
    audited = await audit(stack.profile, shop)
    await forget(stack.profile, shop)
    return Run(
        history=traffic.history,
        shop=shop,
        audit=audited,
        events=course.events,
        roles=course.roles,
        began_at=course.began_at,
        seconds=seconds,
        longest_pause=course.longest_pause,
    )


@asynccontextmanager
async def _beside(work: Awaitable[None] | None) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work) if work else None
    try:
        yield
    finally:
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _watching_roles(course: Course) -> AsyncIterator[None]:
    ports = course.stack.profile.ports.mongo
    watch = RoleWatch(ports, name=REPLICA_SET)
    await watch.start()
    try:
        async with _beside(_note_roles(course, watch, ports)):
            yield
    finally:
        await watch.close()


async def _note_roles(course: Course, watch: RoleWatch, ports: tuple[int, ...]) -> None:
    open_spans: dict[str, RoleSpan] = {}
    while True:
        now, roles = course.traffic.now(), watch.roles()
        for number, port in enumerate(ports, 1):
            node, role = f"mongo-{number}", roles.get(port, "gone")
            span = open_spans.get(node)
            if span is None and role == "gone":
                continue  # not met yet
            if span is None or span.role != role:
                span = RoleSpan(node, role, span.end if span else 0.0, now)
            open_spans[node] = RoleSpan(span.node, span.role, span.begin, now)
        ended = [span for span in course.roles if open_spans[span.node].begin > span.begin]
        course.roles[:] = [*ended, *open_spans.values()]
        await asyncio.sleep(_ROLE_PAUSE)
        course.longest_pause = max(course.longest_pause, course.traffic.now() - now - _ROLE_PAUSE)
