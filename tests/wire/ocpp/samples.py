"""The smallest message that fits a schema, for every action of every version of OCPP."""

from collections.abc import Callable
from importlib import resources
import json
from typing import Any

FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
TIME = "2026-06-01T12:00:00Z"


def actions(protocol: str) -> list[str]:
    """Return every action that the version knows, in either direction."""
    names = [path.name for path in _folder(protocol).iterdir() if path.name.endswith(".json")]
    stems = {name.removesuffix(".json").removesuffix("Request") for name in names}
    return sorted(stem for stem in stems if not stem.endswith("Response"))


def request(protocol: str, action: str) -> Any:
    """Return the smallest payload of a call."""
    suffix = "Request" if has_response(protocol, action) and protocol != "ocpp1.6" else ""
    return smallest(protocol, f"{action}{suffix}")


def response(protocol: str, action: str) -> Any:
    """Return the smallest payload of its answer."""
    return smallest(protocol, f"{action}Response")


def has_response(protocol: str, action: str) -> bool:
    """Whether the version answers it at all."""
    return (_folder(protocol) / f"{action}Response.json").is_file()


def smallest(protocol: str, name: str) -> Any:
    """Return the smallest instance of a schema."""
    schema = json.loads((_folder(protocol) / f"{name}.json").read_text("utf-8-sig"))
    return _instance(schema, schema.get("definitions", {}))


def _folder(protocol: str) -> Any:
    return resources.files("ocpp") / FOLDERS[protocol] / "schemas"


def _instance(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if "enum" in schema:
        return schema["enum"][0]
    # What may be anything (customData, DataTransfer) is text.
    return _MAKERS[schema.get("type", "string")](schema, definitions)


_MAKERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "object": lambda schema, definitions: {
        name: _instance(schema["properties"][name], definitions)
        for name in schema.get("required", ())
    },
    "array": lambda schema, definitions: (
        [_instance(schema["items"], definitions)] * schema.get("minItems", 1)
    ),
    "integer": lambda schema, _: int(schema.get("minimum", 1)),
    "number": lambda schema, _: schema.get("minimum", 1),
    "boolean": lambda _, __: True,
    "string": lambda schema, _: TIME if schema.get("format") == "date-time" else "1",
}
