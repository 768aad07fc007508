"""What kind of station is simulated: the type plate and the traits of its firmware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..connect import Tls

FEATURE_PROFILES = (
    "Core",
    "FirmwareManagement",
    "LocalAuthListManagement",
    "Reservation",
    "RemoteTrigger",
    "SmartCharging",
)
"""All that OCPP 1.6 §3.3 knows."""
TRIGGERS = (
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "SignChargePointCertificate",
    "StatusNotification",
)
"""All that TriggerMessage and ExtendedTriggerMessage know."""


@dataclass(frozen=True, slots=True)
class StationConfig:
    """One station. Everything but the identity has a usable default; times are wall seconds."""

    identity: str
    """The charge point identity: last part of the address, user of Basic auth."""
    connectors: int = 1
    vendor: str = "Forecourt Simulator"
    model: str = "Simulated Wallbox"
    serial: str = ""
    """Empty: the identity."""
    firmware: str = "1.0.0"
    password: str | bytes | None = None
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    """What is offered; some clients offer none and talk nevertheless, some offer several."""
    tls: Tls | None = None
    """Roots, own certificate and key for wss://; None: what the machine trusts."""
    secure_url: str | None = None
    """Where the server listens with TLS; a higher SecurityProfile makes the station go there."""

    phases: int = 3
    max_current_a: float = 16.0
    """Per phase, of every connector."""
    feed_current_a: float | None = None
    """What all connectors together may draw per phase; None: no limit."""
    voltage_v: float = 230.0
    register_wh: int = 250_000
    """Where the meters begin: a meter is seldom new."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """Configuration keys that differ from the defaults, e.g. {"MeterValueSampleInterval": "1"}."""
    rate_units: tuple[Literal["A", "W"], ...] = ("A", "W")
    """Units in which charging profiles are taken; many stations know only one."""
    feature_profiles: tuple[str, ...] = FEATURE_PROFILES
    """What the firmware can do; the calls of the other profiles are NotSupported."""
    security_extensions: bool = True
    """Whether the messages and keys of the security whitepaper are known."""
    security_events: bool = False
    """Whether every start and reset is reported with a SecurityEventNotification."""
    relative_from: Literal["transaction", "receipt"] = "transaction"
    """What a Relative profile counts from; the standard leaves the moment to the station."""
    tethered: bool = False
    """A fixed cable has no lock: UnlockConnector is NotSupported."""
    unlock_works: bool = True
    autostart_tag: str | None = None
    """Charges without a card: starts with this tag when a car is plugged in."""
    plug_expires: bool = False
    """Whether a car without a card is Finishing after ConnectionTimeOut; most wait for ever."""
    finishing_blocks: bool = False
    """Whether the car must be plugged out before the next transaction."""
    phase_switching: bool = True
    """Whether numberPhases of a charging profile is obeyed."""
    begin_end_readings: bool = True
    """Sends a MeterValues with Transaction.Begin before the samples and one with .End after."""
    pilot_toggle_on_start: bool = True
    """Wakes the car when a transaction starts."""
    battery_backed_clock: bool = True
    """Else the clock stands at 1970 after each power-up until the server sets it."""
    boot_on_reconnect: bool = False
    """Some stations announce a boot whenever the connection was lost; the standard does not."""
    message_ids: Literal["uuid", "counter", "boot_counter"] = "uuid"
    """`counter` begins at 1 at each connection, `boot_counter` at each boot, as some stacks do."""
    unknown_transaction_id: int = -1
    """Stands in a StopTransaction whose StartTransaction had to be given up."""
    authorization_key_hex: bool = True
    """Whether an AuthorizationKey of hexadecimal digits is decoded before it is used."""

    ignores_limits: bool = False
    """Accepts charging profiles, and charges as if there were none."""
    stops_at_zero: bool = False
    """Ends the transaction at a limit of 0 instead of pausing."""
    composite: Literal["ok", "none", "minus_one", "wrong"] = "ok"
    """GetCompositeSchedule: NotImplemented, -1 where no profile speaks, or blind to profiles."""
    max_measurands: int | None = None
    """Longer lists of measurands are Rejected; 1: takes them only one by one."""
    session_relative_meter: bool = False
    """The register in MeterValues counts from the start of the transaction."""
    refuses_remote_start: bool = False
    """RemoteStartTransaction is always Rejected."""
    triggers: tuple[str, ...] = TRIGGERS
    """Messages that may be triggered; the others are NotImplemented."""
    forgets_settings: tuple[str, ...] = ()
    """Configuration keys whose change is Accepted and not kept."""
    reboots_on_change: tuple[str, ...] = ()
    """Configuration keys whose change is RebootRequired, followed by a reboot without being asked.
    """
    strict_local_list: bool = False
    """SendLocalList is a FormationViolation unless listVersion, localAuthorizationList and
    updateType come in this order."""
    compact_json_only: bool = False
    """Cannot read frames with a blank outside of strings: they get no answer."""
    upload_works: bool = True
    """Whether diagnostics and logs can be uploaded. Nothing really is."""
    firmware_update: Literal["ok", "download_fails", "bad_signature", "installation_fails"] = "ok"
    """How a firmware update ends. Nothing is really downloaded."""

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
    step_s: float = 0.5
    """How long an upload takes, and each step of a firmware update."""
    reset_flush_s: float = 2.0
    """How long a soft reset waits for its StopTransactions to be delivered."""
    ping_s: float | None = None
    """Interval of WebSocket pings sent by the station; WebSocketPingInterval goes before it."""
    seed: int | None = None
    """For the jitter."""

    def supports(self, profile: str) -> bool:
        """Whether a feature profile is among those of the firmware."""
        return profile in self.feature_profiles
