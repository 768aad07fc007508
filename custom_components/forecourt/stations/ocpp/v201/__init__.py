"""OCPP 2.0.1."""

from dataclasses import replace

from ocpp.v201 import enums  # type: ignore[import-untyped]

from ....core.model.station import StationInfo
from ..schema import Payload, Schemas
from ..version import Accepted, Version
from .inbox import ACTIONS, ONCE, Inbox
from .lenient import Mender, words_of
from .orders import ASKED, Orders
from .security import Security201
from .setup import Setup, count_evses
from .triggers import trigger_payload

SCHEMAS = Schemas("2.0.1")

# What comes within seconds of a connection; the other schemas are read when they are needed.
FIRST = ("BootNotification", "Heartbeat", "NotifyReport", "StatusNotification", "TransactionEvent")
FIRST_ASKED = ("GetBaseReport", "GetVariables", "SetVariables", "TriggerMessage")


class Talk201:
    """What OCPP 2.0.1 makes of an accepted station; a later version gives other orders."""

    def __init__(self, accepted: Accepted, orders: type[Orders] = Orders) -> None:
        self.line = orders(accepted)
        self._station = accepted.station
        self._setup = Setup(accepted)
        self._inbox = Inbox(accepted, self._setup.device_model.report)

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call of the station."""
        return await self._inbox.handle(action, payload)

    async def set_up(self) -> None:
        """Ask and tell the station what is needed."""
        await self._setup.run()
        await self._station.keep_fallback()


def introduction(info: StationInfo, payload: Payload) -> StationInfo:
    """Return what a BootNotification adds to what is known of a station."""
    told = payload["chargingStation"]
    return replace(
        info,
        vendor=_text(told["vendorName"]),
        model=_text(told["model"]),
        serial=_text(told.get("serialNumber")),
        firmware=_text(told.get("firmwareVersion")),
    )


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None


def preload(schemas: Schemas) -> None:
    """Read the schemas of what is said first."""
    schemas.preload(FIRST, ())
    schemas.preload(FIRST_ASKED, FIRST_ASKED)


V201 = Version(
    subprotocol="ocpp2.0.1",
    schemas=SCHEMAS,
    actions=ACTIONS,
    once=ONCE,
    capabilities=ASKED,
    trigger_payload=trigger_payload,
    lenient=Mender(words_of(enums)),
    introduction=introduction,
    count_evses=count_evses,
    talk=Talk201,
    security=Security201,
    preload=lambda: preload(SCHEMAS),
)
