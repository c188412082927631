"""Shows administrators what the shop's people did."""

from app.models.audit_entry import AuditEntry
from app.pagination import Page, PageRequest
from app.schemas.audit import AuditEntryView, AuditQuery


async def list_audit_log(asked: AuditQuery, *, page: PageRequest) -> Page[AuditEntryView]:
    """Return a page of the audit log, the newest first."""
    before = page.after[0] if page.after else None
    found = await AuditEntry.page(actor=asked.actor, action=asked.action, of=asked.of, before=before, limit=page.fetch)
    return page.page_of([((one.id,), AuditEntryView.model_validate(one)) for one in found])
