"""Write the JSON Schema of profiles, by which editors check them while they are written.

Run it as `python -m script.profile_schema` after a change of what a profile may hold.
"""

import json
from pathlib import Path
import sys
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "custom_components/forecourt"
SCHEMA = PACKAGE / "stations/profiles/profile.schema.json"


def mount() -> None:
    """Let the modules below the integration be imported without Home Assistant."""
    name = "custom_components.forecourt"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(PACKAGE)]
        sys.modules[name] = package


def schema() -> dict[str, Any]:
    """Return the schema of all protocols."""
    from custom_components.forecourt.stations.declarative import vocabulary  # noqa: PLC0415

    def one(protocol: str) -> dict[str, Any]:
        whole = vocabulary.SHAPES[protocol].schema()
        whole["properties"]["protocol"] = {"const": protocol}
        return whole

    protocols = [one(protocol) for protocol in vocabulary.PROTOCOLS]
    keys = {key for each in protocols for key in each["properties"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A wallbox, as Forecourt reads it",
        "type": "object",
        "required": ["format", "id"],
        # What extends another profile is whole only together with that: when it is loaded.
        "if": {"required": ["extends"]},
        "then": {"properties": dict.fromkeys(sorted(keys), True), "additionalProperties": False},
        "else": {
            "required": ["protocol"],
            "properties": {"protocol": {"enum": list(vocabulary.PROTOCOLS)}},
            "allOf": [
                {
                    "if": {"properties": {"protocol": each["properties"]["protocol"]}},
                    "then": each,
                }
                for each in protocols
            ],
        },
    }


def text() -> str:
    """Return the schema as its file holds it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    mount()
    SCHEMA.write_text(text(), encoding="utf-8")
