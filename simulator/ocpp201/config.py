"""What kind of station is simulated: the type plate and the traits of its firmware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..connect import Tls

type Version = Literal["2.0.1", "2.1"]

SUBPROTOCOLS: dict[Version, str] = {"2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}
"""What a WebSocket handshake calls the versions."""


@dataclass(frozen=True, slots=True)
class Config201:
    """One station. Everything but the identity has a usable default; times are wall seconds."""

    identity: str
    """The station's identity: last part of the address, user of Basic auth."""
    version: Version = "2.0.1"
    versions: tuple[Version, ...] = ()
    """The versions offered, the best first; empty: only `version`."""
    evses: int = 1
    connectors: int = 1
    """Of every EVSE; one car at a time."""
    connector_type: str = "cType2"
    vendor: str = "Forecourt Simulator"
    model: str = "Simulated Wallbox"
    serial: str = ""
    """Empty: the identity."""
    firmware: str = "1.0.0"
    password: str | bytes | None = None
    tls: Tls | None = None
    """Roots and client certificate for a wss:// address."""

    phases: int = 3
    max_current_a: float = 16.0
    """Per phase, of every EVSE."""
    feed_current_a: float | None = None
    """What all EVSEs together may draw per phase; None: no limit."""
    voltage_v: float = 230.0
    register_wh: int = 250_000
    """Where the meters begin: a meter is seldom new."""

    tx_start_point: str = "PowerPathClosed"
    """TxStartPoint: EVConnected, Authorized, PowerPathClosed, EnergyTransfer; comma-separated."""
    tx_stop_point: str = "EVConnected,Authorized"
    """TxStopPoint, of the same values."""
    variables: Mapping[str, str | None] = field(default_factory=dict)
    """Variables that differ from the defaults, None for one that is not there at all, e.g.
    {"SampledDataCtrlr.TxUpdatedInterval": "1", "OCPPCommCtrlr.MessageAttempts[TransactionEvent]":
    "3", "EVSE:1.AllowReset": None}. The names are those of `simulator.ocpp201.variables.key`.
    """
    reports_chunk: int = 10
    """So many variables in one NotifyReport; the rest follows (`tbc`)."""
    rate_units: tuple[Literal["A", "W"], ...] = ("A", "W")
    """Units in which charging profiles are taken; many stations know only one."""
    smart_charging: bool = True
    reservations: bool = True
    local_list: bool = True
    tethered: bool = False
    """A fixed cable has no lock: UnlockConnector fails."""
    unlock_works: bool = True

    token_type: str = "ISO14443"  # noqa: S105 - no secret
    """The type of the cards that are held to the reader."""
    auth_enabled: bool = True
    """Else whoever plugs in charges, with a token of the type NoAuthorization."""
    autostart_token: str | None = None
    """Charges without a card: this token (type Central) is presented when a car is plugged in."""
    ignores_limits: bool = False
    """Accepts charging profiles, and charges as if there were none."""
    phase_switching: bool = True
    """Whether numberPhases of a charging profile is obeyed."""
    pilot_toggle_on_start: bool = True
    """Wakes the car when somebody is authorised."""
    battery_backed_clock: bool = True
    """Else the clock stands at 1970 after each power-up until the server sets it."""
    boot_on_reconnect: bool = False
    """Some stations announce a boot whenever the connection was lost; the standard does not."""
    status_by_event: bool = False
    """Tells connector states by NotifyEvent (AvailabilityState), as 2.1 allows."""
    energy_multiplier: int = 0
    """Registers are told in units of 10^m Wh: 3 makes values in kWh with `multiplier` 3."""
    spell_defaults: bool = True
    """Whether sampled values name what the standard takes for granted: measurand, unit, context."""
    message_ids: Literal["uuid", "counter"] = "uuid"
    """`counter` begins at 1 at each connection, as some stacks do."""
    validate: bool = True
    """Whether every frame is checked against the schemas; turn it off only to measure speed."""

    tick_s: float = 0.1
    """How often the station looks at its plant and its timers."""
    call_timeout_s: float = 10.0
    reconnect_s: float = 0.2
    """First wait before connecting again; doubles up to `reconnect_max_s`, with jitter."""
    reconnect_max_s: float = 5.0
    boot_retry_s: float = 1.0
    """Wait for the next BootNotification when the server gives no interval."""
    reboot_s: float = 0.5
    """How long a reboot takes."""
    step_s: float = 0.1
    """How long a step of a download, an installation or an upload takes."""
    installation_works: bool = True
    """Whether new firmware can be installed."""
    security_events: bool = False
    """Whether every start and reset is reported with a SecurityEventNotification."""
    reset_flush_s: float = 2.0
    """How long a reset waits for its TransactionEvents to be delivered."""
    ping_s: float | None = None
    """Interval of WebSocket pings sent by the station; WebSocketPingInterval goes before it."""
    seed: int | None = None
    """For the jitter."""

    @property
    def offered(self) -> tuple[Version, ...]:
        """The versions that the station can speak, the best first."""
        return self.versions or (self.version,)
