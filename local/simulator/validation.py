"""Requests that the API refuses, in the shape of Django REST Framework: 400 with `{"field": ["message"]}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from local.simulator.refusal import Refusal, detail

if TYPE_CHECKING:
    from local.simulator.shapes import Model

_MESSAGES = {"missing": "This field is required.", "extra_forbidden": "Unknown field."}


def check(request: dict[str, Any], model: type[Model]) -> None:
    """Raises Refusal 400 naming each field that is wrong."""
    try:
        model.model_validate(request)
    except ValidationError as error:
        raise Refusal(400, _by_field(error.errors(include_url=False, include_context=False))) from None


def parsed(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request; nothing is an empty one. Raises Refusal 400."""
    try:
        request: Any = from_json(raw or b"{}", allow_inf_nan=False)
    except ValueError as error:
        raise detail(400, f"JSON parse error - {error}") from None
    if not isinstance(request, dict):
        raise Refusal(400, {"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return request  # pyright: ignore[reportUnknownVariableType]


def _by_field(errors: list[ErrorDetails]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for error in errors:
        *parents, field = [str(part) for part in error["loc"]] or ["non_field_errors"]
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch.setdefault(field, []).append(_MESSAGES.get(error["type"], error["msg"]))
    return tree
