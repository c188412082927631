"""Applies JSON merge patches (RFC 7396)."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.errors import FieldError, InvalidInput, json_pointer
from app.wording import sentence_of

T = TypeVar("T", bound=BaseModel)


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target with the patch merged in, as section 2 of the RFC says; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def apply_patch(shape: type[T], current: dict[str, Any], patch: dict[str, Any]) -> T:
    """Return what the patch makes of the current fields, checked as if it had been sent whole.

    Raises:
        InvalidInput: the result isn't valid.
    """
    try:
        return shape.model_validate(merge_patch(current, patch))
    except ValidationError as error:
        fields = (FieldError(json_pointer(e["loc"]), e["type"], sentence_of(e)) for e in error.errors())
        raise InvalidInput(*fields) from error
