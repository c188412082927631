"""The audit log over HTTP, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.answers import private
from app.dependencies import Admin, Pages, Shop
from app.pagination import Page
from app.routers.responses import STAFF_READ, problems
from app.schemas.audit import AuditEntryView, AuditQuery
from app.services import overseeing

router = APIRouter(prefix="/admin", tags=["admin"])


@router.get("/audit-log", response_model=Page[AuditEntryView], responses=STAFF_READ | problems(400))
async def list_audit_log(
    request: Request, shop: Shop, query: Annotated[AuditQuery, Query()], pages: Pages, admin: Admin
) -> Response:
    """List who of the staff changed what, with the values before and after, the newest first."""
    return private(request, await shop.database.fresh(lambda: overseeing.list_audit_log(query, page=pages(query))))
