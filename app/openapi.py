"""Writes the contract down: the OpenAPI document that the program serves, as precise as the program itself."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.problems import Problem

_MERGE_PATCH: Final = "application/merge-patch+json"

NEEDED: Final = "x-needed"
"""Marks the schema of a parameter that the program asks for in its own words."""

PATCH_OF: Final = "x-patch-of"
"""In `openapi_extra`, where a path has a PATCH and no PUT: the name of the shape that is patched."""

_RETRYABLE: Final = frozenset({"429", "503", "504"})

Schema = dict[str, Any]


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
        for path in made["paths"].values():
            _describe_patch(path, schemas)
        for operation in _operations(made):
            _sharpen_parameters(operation)
            _describe_headers(operation)
        app.openapi_schema = made
    return app.openapi_schema


def _operations(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in made["paths"].values():
        yield from path.values()


def _sharpen_parameters(operation: dict[str, Any]) -> None:
    # An absent parameter is None to the program; nobody can send one.
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        values = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
        if len(values) == 1:
            parameter["schema"] = {name: value for name, value in schema.items() if name != "anyOf"} | values[0]
        # The program asks for them with 428 and 400, so to FastAPI they are optional.
        if parameter["name"].lower() == "if-match":
            parameter |= {"name": "If-Match", "required": "428" in operation["responses"]}
        if parameter["schema"].pop(NEEDED, False):
            parameter["required"] = True


def _describe_headers(operation: dict[str, Any]) -> None:
    keyed = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    for status, response in operation["responses"].items():
        told = {"X-Request-ID": "The request's id, for support"}
        if status in _RETRYABLE:
            told["Retry-After"] = "Seconds to wait"
        if keyed and status.startswith("2"):
            told["Idempotency-Replayed"] = "`true` where the key came before: the first answer again"
        headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in told.items()}
        response["headers"] = response.get("headers", {}) | headers


def _describe_patch(path: dict[str, Any], schemas: dict[str, Schema]) -> None:
    body = path.get("patch", {}).get("requestBody", {}).get("content", {}).get(_MERGE_PATCH)
    if body is None:
        return
    shape = path["patch"].pop(PATCH_OF, None)
    whole = (
        {"$ref": f"#/components/schemas/{shape}"}
        if shape
        else path["put"]["requestBody"]["content"]["application/json"]["schema"]
    )
    body["schema"] = {"description": body["schema"]["description"]} | _patch_of(whole, schemas)


def _patch_of(whole: Schema, schemas: dict[str, Schema]) -> Schema:
    """Return the schema of merge patches (RFC 7396) of what a schema describes: null removes what needn't be there."""
    whole = schemas[whole["$ref"].rsplit("/", 1)[-1]] if "$ref" in whole else whole
    if "properties" not in whole:
        return whole
    needed = set(whole.get("required", []))
    properties = {
        name: _patch_of(schema, schemas)
        if name in needed
        else {"anyOf": [_patch_of(schema, schemas), {"type": "null"}]}
        for name, schema in whole["properties"].items()
    }
    return {name: value for name, value in whole.items() if name != "required"} | {"properties": properties}
