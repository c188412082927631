"""Writes the contract down: the OpenAPI document that the program serves, as precise as the program itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.problems import Problem


def document(app: FastAPI) -> dict[str, Any]:
    """Return the application's OpenAPI document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        shape = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        definitions = shape.pop("$defs", {})
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas |= definitions | {"Problem": shape}
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        app.openapi_schema = made
    return app.openapi_schema
