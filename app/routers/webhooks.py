"""Where the payment gateway tells us that something happened."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response

from app.answers import private
from app.dependencies import Shop
from app.routers.responses import problems
from app.schemas.payment import Heard
from app.services import hearing

router = APIRouter(tags=["payments"])

_EVENT: Final = {
    "requestBody": {
        "required": True,
        "description": "Stripe's event, byte by byte as it was signed",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post("/webhooks/stripe", response_model=Heard, responses=problems(413, 415), openapi_extra=_EVENT)
async def hear_stripe(
    request: Request,
    shop: Shop,
    signature: Annotated[
        str | None, Header(alias="Stripe-Signature", max_length=1000, description="`t=…,v1=…`, at most 300 s old")
    ] = None,
) -> Response:
    """Take in an event of Stripe's, each once and in any order; what it means is found out afterwards."""
    await hearing.hear(shop.till, await request.body(), signature=signature)
    return private(request, Heard(received=True))
