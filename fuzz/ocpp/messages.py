"""Messages that fit the schemas of OCPP, made by chance and with values that mean something."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
import importlib.util
import json
from pathlib import Path
from random import Random
from typing import Any

type Schema = dict[str, Any]

FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
# What a station of 1.6 may call; of the other versions the inbox takes what it knows.
STATION_16 = (
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
)
STATION_2 = (
    "Authorize",
    "BootNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyEvent",
    "NotifyReport",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "StatusNotification",
    "TransactionEvent",
)
# Known ones, a blocked one, and strange ones. The honest station has one of its own.
CARDS = ("04AA0001", "04BB0002", "04DD0004", "00", "04AA0001 ", "FORECOURT")
WORDS = ("", "a", "Wh", "NaN", "null", "0", "-0", "1e5", "12.50", "Å", "\u202e", "0" * 20)
RARELY = 0.02
MOST_ITEMS = 3
LONGEST = 60


@cache
def schemas(subprotocol: str) -> dict[str, Schema]:
    """Return the schemas of all requests of a version by action."""
    spec = importlib.util.find_spec("ocpp")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package ocpp")
    folder = Path(spec.origin).parent / FOLDERS[subprotocol] / "schemas"
    found = {}
    for file in sorted(folder.glob("*.json")):
        if not file.stem.endswith("Response"):
            text = file.read_text(encoding="utf-8-sig")
            found[file.stem.removesuffix("Request")] = json.loads(text)
    return found


class Memory:
    """What a station was told, so that it can speak of it."""

    def __init__(self, chance: Random) -> None:
        """Know nothing."""
        self.transactions: list[int] = [1]
        self.references = [f"fuzz-{chance.getrandbits(32):x}" for _ in range(2)]
        self.register_wh = chance.randrange(10**6)


class Messages:
    """Makes the calls of a station that speaks one version of OCPP."""

    def __init__(self, subprotocol: str, chance: Random, memory: Memory) -> None:
        """Use this chance for everything."""
        self._chance = chance
        self._memory = memory
        self._schemas = schemas(subprotocol)
        self._usual = STATION_16 if subprotocol == "ocpp1.6" else STATION_2
        self._definitions: Schema = {}

    def call(self) -> tuple[str, Any]:
        """Return an action and its payload."""
        actions = self._usual if self._chance.random() < 0.9 else tuple(self._schemas)
        action = self._chance.choice(actions)
        return action, self.payload(action)

    def payload(self, action: str) -> Any:
        """Return a payload that fits the schema of a request."""
        schema = self._schemas[action]
        self._definitions = schema.get("definitions", {})
        return self._value(schema, action, 0)

    def _value(self, schema: Schema, name: str, level: int) -> Any:
        if "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        chance = self._chance
        if "enum" in schema:
            return chance.choice(schema["enum"])
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: self._object(schema, level),
            "array": lambda: self._array(schema, name, level),
            "boolean": lambda: chance.random() < 0.5,
            "integer": lambda: self._integer(name),
            "number": lambda: chance.choice((0, 0.5, -1.5, 16, 230.1, 11040, 1e-9, 1e9)),
            "string": lambda: self._text(schema, name),
        }
        return makers[schema.get("type", "object")]()

    def _array(self, schema: Schema, name: str, level: int) -> list[Any]:
        most = min(schema.get("maxItems", MOST_ITEMS), MOST_ITEMS)
        count = self._chance.randint(min(schema.get("minItems", 0), most), most)
        return [self._value(schema["items"], name, level + 1) for _ in range(count)]

    def _object(self, schema: Schema, level: int) -> Schema:
        required = schema.get("required", ())
        likely = 0.5 if level < 3 else 0.1
        return {
            name: self._value(part, name, level + 1)
            for name, part in schema.get("properties", {}).items()
            if name in required or self._chance.random() < likely
        }

    def _integer(self, name: str) -> int:
        chance, memory = self._chance, self._memory
        if chance.random() < RARELY:
            return chance.choice((-1, 2**31, 2**63 - 1, -(2**63)))
        match name:
            case "connectorId" | "id" | "evseId":
                return chance.choice((0, 1, 1, 1, 2, 3, 65))
            case "transactionId":
                return chance.choice(memory.transactions)
            case "meterStart" | "meterStop":
                memory.register_wh += chance.choice((0, 1, 500, -500))
                return memory.register_wh
            case "seqNo":
                return chance.randrange(6)
        return chance.randrange(10)

    def _text(self, schema: Schema, name: str) -> str:
        chance = self._chance
        if schema.get("format") == "date-time":
            return self._moment()
        match name:
            case "idTag" | "idToken" | "parentIdTag":
                return chance.choice(CARDS)
            case "transactionId":
                return chance.choice(self._memory.references)
            case "value":
                self._memory.register_wh += chance.choice((0, 1, 100))
                usual = (str(self._memory.register_wh), "16.0", "230.2", "11040")
                return chance.choice(usual + WORDS)
        longest = min(schema.get("maxLength", LONGEST), LONGEST)
        return chance.choice((chance.choice(WORDS), "x" * longest))[:longest]

    def _moment(self) -> str:
        chance = self._chance
        if chance.random() < 2 * RARELY:
            return chance.choice(("1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "now", ""))
        at = datetime.now(UTC) + timedelta(seconds=chance.choice((0, 0, 0, -5, -3600, 40, 1e6)))
        return at.isoformat().replace("+00:00", chance.choice(("Z", "+00:00", "")))
