"""Shows administrators what the shop's people did."""

from app.models.audit_entry import AuditEntry
from app.pagination import COUNTED_UP_TO, Page, PageRequest
from app.schemas.audit import AuditEntryView, AuditQuery


async def list_audit_log(asked: AuditQuery, *, page: PageRequest) -> Page[AuditEntryView]:
    """Return a page of the audit log, the newest first."""
    query = AuditEntry.about(actor=asked.actor, action=asked.action, of=asked.of)
    found = await AuditEntry.page(query, before=page.after[0] if page.after else None, limit=page.fetch)
    total = await AuditEntry.count_matching(query, at_most=COUNTED_UP_TO + 1) if page.with_total else None
    return page.page_of([((one.id,), AuditEntryView.model_validate(one)) for one in found], total)
