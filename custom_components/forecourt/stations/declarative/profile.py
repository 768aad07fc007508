"""What a profile says of a wallbox: one vocabulary for Modbus, MQTT and entities.

`load.py` reads profiles from YAML and is the only place that makes these; everything here has
been validated. Addresses are those on the wire (from 0).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

type Scalar = bool | int | float | str
"""A value as a box has it, before or after it is mapped and scaled."""

MODBUS = "modbus"
MQTT = "mqtt"
ENTITIES = "entities"


class Confidence(StrEnum):
    """How sure it is that a profile is right. Only `HARDWARE` may write without a control test."""

    HARDWARE = "hardware"
    VENDOR = "vendor"
    READ = "read"
    EXPERIMENTAL = "experimental"


class Role(StrEnum):
    """What a reading tells, with its unit; a profile names each role at most once.

    `STATUS` maps onto the words of `EvseStatus`, or, where a box tells less, `PLUGGED` and
    `CHARGING` are booleans. `..._1` to `..._3` are phases. `ENERGY_WH` is the register of a
    lifetime, `SESSION_ENERGY_WH` that of a charge.
    """

    STATUS = "status"
    PLUGGED = "plugged"
    CHARGING = "charging"
    ENABLED = "enabled"
    ERROR = "error"
    POWER_W = "power_w"
    POWER_W_1 = "power_w_1"
    POWER_W_2 = "power_w_2"
    POWER_W_3 = "power_w_3"
    CURRENT_A = "current_a"
    CURRENT_A_1 = "current_a_1"
    CURRENT_A_2 = "current_a_2"
    CURRENT_A_3 = "current_a_3"
    VOLTAGE_V_1 = "voltage_v_1"
    VOLTAGE_V_2 = "voltage_v_2"
    VOLTAGE_V_3 = "voltage_v_3"
    ENERGY_WH = "energy_wh"
    ENERGY_WH_1 = "energy_wh_1"
    ENERGY_WH_2 = "energy_wh_2"
    ENERGY_WH_3 = "energy_wh_3"
    SESSION_ENERGY_WH = "session_energy_wh"
    SOC_PERCENT = "soc_percent"
    TOKEN = "token"  # noqa: S105 - a name
    LIMIT_A = "limit_a"
    LIMIT_W = "limit_w"
    PHASES = "phases"
    FALLBACK_A = "fallback_a"
    FALLBACK_W = "fallback_w"
    WATCHDOG_S = "watchdog_s"
    MAX_CURRENT_A = "max_current_a"
    VENDOR = "vendor"
    MODEL = "model"
    SERIAL = "serial"
    FIRMWARE = "firmware"
    PROBE = "probe"
    """A value that only tells this box from others."""


class Order(StrEnum):
    """What a box can be told; a profile names each at most once.

    A box is paused by `PAUSE` (and goes on by `RESUME`), or by a limit of 0 where the profile
    says so. `RENEW` keeps its watchdog from falling back; one without a fixed value is given
    the box's `Role.WATCHDOG_S`.
    `PREPARE` is given each time after connecting, before any other order: what a box wants
    written before it heeds others.
    """

    LIMIT_A = "limit_a"
    LIMIT_W = "limit_w"
    PAUSE = "pause"
    RESUME = "resume"
    PHASES = "phases"
    UNLOCK = "unlock"
    RENEW = "renew"
    FALLBACK_A = "fallback_a"
    WATCHDOG_S = "watchdog_s"
    FORGET_TOKEN = "forget_token"  # noqa: S105 - a name
    PREPARE = "prepare"


class Space(StrEnum):
    """A table of Modbus."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"


class Type(StrEnum):
    """How registers hold a value; 32 and 64 bits take 2 and 4 registers."""

    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    ASCII = "ascii"
    UTF16 = "utf16"
    HEX = "hex"
    BIT = "bit"

    @property
    def registers(self) -> int | None:
        """How many registers it takes; `None` where the profile says so (texts)."""
        return {"16": 1, "32": 2, "64": 4}.get(self.value[1:], 1 if self is Type.BIT else None)


class WordOrder(StrEnum):
    """Which register of several comes first."""

    HIGH_FIRST = "high_first"
    LOW_FIRST = "low_first"


class Memory(StrEnum):
    """What a write costs: `FLASH` wears, and is written on change by an owner only."""

    VOLATILE = "volatile"
    FLASH = "flash"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where Modbus has a value, and how.

    `swapped` texts have the second character of a register first. `connector_step` is added to
    the address once per outlet after the first. `unit` overrides the unit id of the box.
    """

    space: Space
    address: int
    type: Type = Type.U16
    count: int = 1
    order: WordOrder = WordOrder.HIGH_FIRST
    swapped: bool = False
    connector_step: int = 0
    unit: int | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """Where MQTT has a value: `path` are the keys and indexes into a JSON payload.

    A topic may hold `{id}` (what identifies the box), `{prefix}` and `{connector}` (from
    `first_connector`).
    """

    topic: str
    path: tuple[str | int, ...] = ()
    json: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """What makes a value of the vocabulary from the raw one, in this order.

    `none`: raw values that say that there is none. `shift` and `mask` take bits of an integer
    (first shifted right, then masked). `bit` takes one. `pattern` is a regular expression whose
    first group is the value. `map` names values (`default` those it does not list; without it
    they are unknown, and told so). Otherwise `raw * scale + offset`. `numeric`: the role is a
    number, so a text that spells one is read as such; the loader sets it by the role.
    """

    none: tuple[Scalar, ...] = ()
    shift: int = 0
    mask: int | None = None
    bit: int | None = None
    pattern: str | None = None
    map: Mapping[Scalar, Scalar] = field(default_factory=dict)
    default: Scalar | None = None
    scale: float = 1.0
    offset: float = 0.0
    numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSpec:
    """One thing that a box tells.

    `from_firmware` and `to_firmware` bound the firmwares that have it (`to` excluded).
    `optional`: some boxes of the model do not have it; the start-up probe leaves it out then.
    `slow`: it need not be known each time, and takes turns with others. `station`: it is told
    once for the whole station, not per outlet.
    """

    role: Role
    source: Register | Topic | str
    """`str`: an entity, as its id or, in a shipped profile, as domain and translation key."""
    transform: Transform = Transform()
    from_firmware: str | None = None
    to_firmware: str | None = None
    optional: bool = False
    slow: bool = False
    station: bool = False
    confidence: Confidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write: to a register, to a topic, or an action of Home Assistant.

    Modbus: `function` is 5, 6, 15 or 16. MQTT: `payload` may hold `{value}`,
    `{now}` (seconds since 1970) and what topics may; `acknowledge` is a topic that tells what
    became of it, `acknowledged` a regular expression on the payload, or on what stands at the `+`
    of the topic, that means yes.
    `value` is fixed where the order has none of its own (a pause, a heartbeat); otherwise the
    order's value goes backwards through `transform` (`map` by value, then scale).
    """

    target: Register | Topic | str
    function: int | None = None
    payload: str | None = None
    retain: bool = False
    qos: int = 0
    acknowledge: str | None = None
    acknowledged: str | None = None
    value: Scalar | None = None
    transform: Transform = Transform()
    memory: Memory = Memory.VOLATILE
    delay_s: float = 0.0
    """How long to wait before the next write of the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSpec:
    """One thing that a box can be told, as writes one after the other.

    `minimum` and `maximum` bound the order's value, `zero_pauses` says that a limit of 0 pauses
    (and every valid limit resumes). `interval_s` is the least time between two. `read_back`
    names the role that shows the effect. `paused_first`: only while the box is paused.
    """

    order: Order
    writes: tuple[Write, ...]
    minimum: float | None = None
    maximum: float | None = None
    step: float = 1.0
    zero_pauses: bool = False
    interval_s: float = 1.0
    read_back: Role | None = None
    paused_first: bool = False
    from_firmware: str | None = None
    to_firmware: str | None = None
    confidence: Confidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """What a box does when nobody speaks to it any more.

    `renewed_by`: "order" (the order `RENEW`), "write" (any write of the limit) or "read" (any
    reading, so a hung controller cannot be told by it). `timeout_s` where it is fixed;
    otherwise `Role.WATCHDOG_S` tells. `fallback_a` where it is fixed; otherwise `FALLBACK_A`.
    """

    renewed_by: str
    timeout_s: float | None = None
    fallback_a: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What tells this model from others: all of `matches`, and none of `excludes`.

    Both are regular expressions on the text of a role's value. `identity` is false where other
    boxes look alike, so that the user is asked.
    """

    matches: Mapping[Role, str]
    excludes: Mapping[Role, str] = field(default_factory=dict)
    identity: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusTransport:
    """How a box is reached by Modbus. `kinds`: tcp, rtu_over_tcp, udp, serial."""

    kinds: tuple[str, ...] = ("tcp",)
    port: int = 502
    unit: int = 1
    connector_units: tuple[int, ...] = ()
    """Unit ids of the outlets, where each has its own."""
    baudrate: int = 19200
    parity: str = "N"
    stopbits: int = 1
    spacing_s: float = 0.0
    timeout_s: float = 3.0
    max_registers: int = 125
    max_gap: int = 16
    """How many registers that nobody wants may be read to save a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttTransport:
    """How a box is reached by MQTT. `own_broker`: it brings one.

    `online` is a regular expression on what `availability` tells; without it, any message of that
    topic is a sign of life. `on_change`: values are told when they change only, so all of them are
    fresh while the box lives; otherwise each is stale after `stale_after_s`. `retained`: the box
    has its states retained; where it does not, a retained one is somebody's left-over.
    """

    own_broker: bool = False
    port: int = 1883
    prefix: str = "{id}"
    discovery: tuple[str, ...] = ()
    """Topics with `+` at the place of the id; the first `+` is the id, and ends the prefix."""
    discovered_id: str | None = None
    """Where the payload of such a topic names the id (or several): a regular expression."""
    discovered_prefix: str | None = None
    """The same for the prefix."""
    availability: Topic | None = None
    online: str | None = None
    first_connector: int = 1
    stale_after_s: float = 120.0
    on_change: bool = False
    retained: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A wallbox model, whole.

    `write_access_hint` tells where a user lets others control the box.
    """

    id: str
    vendor: str
    models: tuple[str, ...]
    protocol: str
    confidence: Confidence
    sources: tuple[str, ...]
    transport: ModbusTransport | MqttTransport | None
    readings: Mapping[Role, ReadingSpec]
    orders: Mapping[Order, OrderSpec] = field(default_factory=dict)
    watchdog: Watchdog | None = None
    fingerprint: Fingerprint | None = None
    connectors: int = 1
    max_connectors: int = 1
    phases: int = 3
    min_current_a: int = 6
    max_current_a: int = 32
    has_rfid: bool = False
    mdns: tuple[str, ...] = ()
    integration: str | None = None
    """The other integration whose entities these are (`entities`); `None` for any."""
    write_access_hint: str | None = None
    notes: tuple[str, ...] = ()
