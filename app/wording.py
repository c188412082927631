"""Says in plain words what is wrong with a field; Pydantic's own sentences are for programmers."""

from typing import Any, Final

from pydantic_core import ErrorDetails

_OBJECT: Final = "must be an object"

_SENTENCES: Final = {
    "missing": "must be given",
    "extra_forbidden": "is not known here; leave it out",
    "none_required": "must be null",
    "string_type": "must be text",
    "string_unicode": "must be text in UTF-8",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer, without a fraction",
    "int_parsing": "must be an integer, written in digits",
    "int_parsing_size": "has too many digits",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a list",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "datetime_type": "must be a moment as RFC 3339 writes it: 2026-11-20T21:28:05Z",
    "datetime_parsing": "must be a moment as RFC 3339 writes it: 2026-11-20T21:28:05Z",
    "datetime_from_date_parsing": "must be a moment that there is, as RFC 3339 writes it: 2026-11-20T21:28:05Z",
    "datetime_object_invalid": "must be a moment that there is, as RFC 3339 writes it: 2026-11-20T21:28:05Z",
    "timezone_aware": "must say its offset from UTC, such as Z or +01:00",
}
"""By Pydantic's error types (docs.pydantic.dev, "Validation errors"), with the limits that it tells."""

_SPELLINGS: Final[dict[str, str]] = {}


def spelt(pattern: str, sentence: str) -> str:
    """Return the pattern, and keep the sentence for whoever's text doesn't match it."""
    _SPELLINGS[pattern] = sentence
    return pattern


def sentence_of(error: ErrorDetails) -> str:
    """Return what is wrong, with the limit that was passed; read after the field's name, as `pointer` gives it."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _SPELLINGS.get(limits["pattern"], "must be written as the documentation of this field says")
    if kind in {"string_too_short", "too_short"}:
        return _least(limits["min_length"], _unit(error))
    if kind in {"string_too_long", "too_long"}:
        return f"must have at most {_counted(limits['max_length'], _unit(error))}"
    sentence = _SENTENCES.get(kind)
    return sentence.format_map(limits) if sentence else error["msg"].removeprefix("Value error, ")


def _unit(error: ErrorDetails) -> str:
    # Of a text that was checked or is secret Pydantic, too, says "items".
    value: Any = error["input"]
    return "item" if isinstance(value, list | tuple | set | dict) else "character"


def _least(least: int, unit: str) -> str:
    return "must not be empty" if least == 1 else f"must have at least {_counted(least, unit)}"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"
