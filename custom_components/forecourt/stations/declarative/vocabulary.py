"""What may stand where in a profile of format 1; `docs/profiles.md` explains each key."""

from .profile import (
    ENTITIES,
    MODBUS,
    MQTT,
    Confidence,
    Memory,
    Order,
    Role,
    Space,
    Type,
    WordOrder,
)
from .shapes import (
    AnyScalar,
    Flag,
    ListOf,
    MapOf,
    Number,
    OneOf,
    Pattern,
    Record,
    Shape,
    Text,
)

FORMAT = 1
PROTOCOLS = (MODBUS, MQTT, ENTITIES)
ID = Text(r"[a-z][a-z0-9_]{1,62}", "keba_p30")

_CONFIDENCE = OneOf(Confidence, "confidence")
_FIRMWARE = Text(r"[vV]?\d{1,9}(\.\d{1,9}){0,5}", "1.12.3")
_BYTE = Number(0, 255, whole=True)
_SECONDS = Number(0, 86400)
_COUNT = Number(1, 125, whole=True)
_PORT = Number(1, 65535, whole=True)
_BITS = Number(0, 63, whole=True)
_TOPIC = Text(r"[^\x00#]+", "{prefix}/status")
_PATH = ListOf(AnyScalar(), most=8)

_SCALING: dict[str, Shape] = {
    "map": MapOf(AnyScalar()),
    "scale": Number(not_zero=True),
    "offset": Number(),
}
_TRANSFORM: dict[str, Shape] = {
    "none": ListOf(AnyScalar(), least=1),
    "shift": _BITS,
    "mask": Number(1, 2**64 - 1, whole=True),
    "bit": _BITS,
    "pattern": Pattern(),
    "default": AnyScalar(),
    **_SCALING,
}
TRANSFORM_KEYS = frozenset(_TRANSFORM)

_REGISTER: dict[str, Shape] = {
    "register": OneOf(Space, "register table"),
    "address": Number(0, 65535, whole=True),
    "type": OneOf(Type, "type"),
    "count": _COUNT,
    "order": OneOf(WordOrder, "word order"),
    "swapped": Flag(),
    "connector_step": Number(-32768, 32768, whole=True),
    "unit_id": _BYTE,
    "alone": Flag(),
}
_TOPIC_SOURCE: dict[str, Shape] = {"topic": _TOPIC, "path": _PATH, "json": Flag()}
_ENTITY: dict[str, Shape] = {
    "entity": Text(r"[a-z0-9_]+\.[a-z0-9_]+(#.+)?", "sensor.wallbox_power"),
}

_READING: dict[str, Shape] = {
    "from_firmware": _FIRMWARE,
    "to_firmware": _FIRMWARE,
    "optional": Flag(),
    "slow": Flag(),
    "station": Flag(),
    "confidence": _CONFIDENCE,
}
READING_KEYS = frozenset(_READING)

_SOURCES: dict[str, tuple[dict[str, Shape], frozenset[str]]] = {
    MODBUS: (_REGISTER, frozenset({"register", "address"})),
    MQTT: (_TOPIC_SOURCE, frozenset({"topic"})),
    ENTITIES: (_ENTITY, frozenset({"entity"})),
}

_WRITE: dict[str, Shape] = {"value": AnyScalar(), "delay_s": Number(0, 60), **_SCALING}
_TARGETS: dict[str, tuple[dict[str, Shape], frozenset[str]]] = {
    MODBUS: (
        {
            **{key: shape for key, shape in _REGISTER.items() if key != "alone"},
            "function": OneOf((5, 6, 15, 16), "function of Modbus that writes"),
            "memory": OneOf(Memory, "memory"),
        },
        frozenset({"register", "address", "function"}),
    ),
    MQTT: (
        {
            "topic": _TOPIC,
            "payload": Text(blank=True),
            "retain": Flag(),
            "qos": Number(0, 2, whole=True),
            "acknowledge": _TOPIC,
            "acknowledged": Pattern(),
            "memory": OneOf(Memory, "memory"),
        },
        frozenset({"topic"}),
    ),
    ENTITIES: ({**_ENTITY, "memory": OneOf(Memory, "memory")}, frozenset({"entity"})),
}

_TRANSPORTS: dict[str, Record] = {
    MODBUS: Record(
        {
            "kinds": ListOf(OneOf(("tcp", "rtu_over_tcp", "udp", "serial"), "kind"), least=1),
            "port": _PORT,
            "unit": _BYTE,
            "connector_units": ListOf(_BYTE, least=1),
            "baudrate": Number(300, 921600, whole=True),
            "parity": OneOf(("N", "E", "O"), "parity"),
            "stopbits": OneOf((1, 2), "number of stop bits"),
            "spacing_s": Number(0, 10),
            "timeout_s": Number(maximum=30, above=0),
            "max_registers": _COUNT,
            "max_gap": Number(0, 124, whole=True),
        }
    ),
    MQTT: Record(
        {
            "own_broker": Flag(),
            "port": _PORT,
            "prefix": _TOPIC,
            "discovery": ListOf(_TOPIC, least=1),
            "discovered_id": Pattern(),
            "discovered_prefix": Pattern(),
            "availability": Record(_TOPIC_SOURCE, frozenset({"topic"})),
            "online": Pattern(),
            "first_connector": Number(0, 10, whole=True),
            "stale_after_s": Number(maximum=86400, above=0),
            "on_change": Flag(),
            "retained": Flag(),
        }
    ),
}


def reading(protocol: str) -> Record:
    """Return what a reading looks like."""
    source, required = _SOURCES[protocol]
    return Record({**source, **_TRANSFORM, **_READING}, required)


def order(protocol: str) -> Record:
    """Return what an order looks like."""
    target, required = _TARGETS[protocol]
    write = Record({**target, **_WRITE}, required)
    return Record(
        {
            "write": ListOf(write, least=1, most=8),
            "minimum": Number(0),
            "maximum": Number(0),
            "step": Number(above=0),
            "zero_pauses": Flag(),
            "interval_s": _SECONDS,
            "read_back": OneOf(Role, "role"),
            "paused_first": Flag(),
            "from_firmware": _FIRMWARE,
            "to_firmware": _FIRMWARE,
            "confidence": _CONFIDENCE,
        },
        frozenset({"write"}),
    )


def profile(protocol: str) -> Record:
    """Return what a whole profile of a protocol looks like."""
    own: dict[str, Shape]
    if protocol == ENTITIES:
        own = {"integration": Text(r"[a-z0-9_]+", "wallbox")}
    else:
        own = {"transport": _TRANSPORTS[protocol]}
    return Record(
        {
            "format": OneOf((FORMAT,), "format"),
            "id": ID,
            "extends": ID,
            "vendor": Text(),
            "models": ListOf(Text(), least=1),
            "protocol": OneOf(PROTOCOLS, "protocol"),
            "confidence": _CONFIDENCE,
            "sources": ListOf(Text(), least=1),
            **own,
            "connectors": Record(
                {"default": Number(1, 16, whole=True), "max": Number(1, 16, whole=True)}
            ),
            "phases": OneOf((1, 2, 3), "number of phases"),
            "current_a": Record(
                {"min": Number(1, 80, whole=True), "max": Number(1, 500, whole=True)}
            ),
            "has_rfid": Flag(),
            "write_access_hint": Text(),
            "fingerprint": Record(
                {
                    "matches": MapOf(Pattern(), Role, "role"),
                    "excludes": MapOf(Pattern(), Role, "role"),
                    "identity": Flag(),
                },
                frozenset({"matches"}),
            ),
            "mdns": ListOf(Text()),
            "readings": MapOf(reading(protocol), Role, "role"),
            "orders": MapOf(order(protocol), Order, "order"),
            "watchdog": Record(
                {
                    "renewed_by": OneOf(("order", "write", "read"), "way to renew"),
                    "timeout_s": Number(maximum=86400, above=0),
                    "fallback_a": Number(0, 500),
                },
                frozenset({"renewed_by"}),
            ),
            "notes": ListOf(Text()),
        },
        frozenset(
            {"format", "id", "vendor", "models", "protocol", "confidence", "sources", "readings"}
        ),
    )


SHAPES = {protocol: profile(protocol) for protocol in PROTOCOLS}
