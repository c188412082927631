"""Names the work that Celery does; each task is one call of a use case and may run twice."""

from app.database import Database
from app.models.search_term import SearchTerm
from app.services.delivering import deliver
from app.services.expiring import expire_unpaid_orders
from app.services.reconciling import reconcile
from app.services.shelving import relabel_books
from workers.celery_app import celery_app, settings
from workers.consumers import consumers
from workers.runtime import run, till
from workers.schedule import RECOUNT_SECONDS

_CONSUMERS = consumers(settings)


@celery_app.task(name="outbox.deliver")
def deliver_events(subjects: list[str]) -> None:
    """Deliver the events that wait for these subjects; the relay rings for them."""

    async def use_case(database: Database) -> None:
        await deliver(database, subjects, consumers=_CONSUMERS)

    run(use_case)


@celery_app.task(
    name="search.rebuild_vocabulary",
    soft_time_limit=RECOUNT_SECONDS - 10,
    time_limit=RECOUNT_SECONDS,
    # Acknowledged late it would be given to the other child, too, while it runs; whichever is lost is rung for again.
    acks_late=False,
)
def rebuild_search_vocabulary() -> None:
    """Count again how many books have each word: search weighs and corrects words by it."""

    async def use_case(_: Database) -> None:
        await SearchTerm.recount()

    run(use_case)


@celery_app.task(name="catalogue.relabel_books")
def finish_relabelling() -> None:
    """Finish changes of categories that a process left half done when it died, and deletions that a book crossed."""

    async def use_case(database: Database) -> None:
        await relabel_books(database)

    run(use_case)


@celery_app.task(name="orders.expire")
def expire_orders() -> None:
    """Give the copies of orders back that weren't paid in time."""

    async def use_case(_: Database) -> None:
        await expire_unpaid_orders(till())

    run(use_case)


@celery_app.task(name="payments.reconcile")
def reconcile_payments() -> None:
    """Ask the gateway about payments that it told us nothing of, and give it the refunds that wait."""

    async def use_case(_: Database) -> None:
        await reconcile(till())

    run(use_case)
