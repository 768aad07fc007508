"""The official JSON schemas, as the `ocpp` package ships them: what may be on the wire at all."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from importlib import resources
import json
from typing import Any

from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]

_FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
_SENT_ONLY = frozenset({"NotifyPeriodicEventStream"})
"""Messages of OCPP 2.1 that nobody answers; their schemas are named like 1.6's."""


def known(version: str, action: str) -> bool:
    """Whether the version has such an action."""
    return (
        action.isidentifier()
        and not action.endswith("Response")
        and _validator(version, action) is not None
    )


def fault(version: str, name: str, payload: object) -> str | None:
    """Return what is wrong with a payload, None if nothing is.

    `name` is an action for its request, or the action with `Response` appended.
    """
    validator = _validator(version, name)
    if validator is None:
        return f"there is no {name} in OCPP {version}"
    # Several limits are multiples of 0.1, which no float is.
    exact = json.loads(json.dumps(payload), parse_float=Decimal)
    error = best_match(validator.iter_errors(exact))
    if error is None:
        return None
    return f"{'/'.join(map(str, error.absolute_path)) or name}: {error.message}"


def answered(action: str) -> bool:
    """Whether a message is a call; the others are sent and forgotten (OCPP 2.1 SEND)."""
    return action not in _SENT_ONLY


@cache
def _validator(version: str, name: str) -> Any:
    folder = resources.files("ocpp") / _FOLDERS[version] / "schemas"
    if version != "1.6" and not name.endswith("Response") and name not in _SENT_ONLY:
        name += "Request"
    try:
        text = (folder / f"{name}.json").read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    schema = json.loads(text, parse_float=Decimal)
    return validator_for(schema)(schema)
