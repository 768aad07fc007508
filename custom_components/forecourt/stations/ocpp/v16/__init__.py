"""OCPP 1.6J."""

from dataclasses import replace

from ....core.model.station import StationInfo
from ..asker import Asker
from ..schema import Payload, Schemas
from ..version import Accepted, Version
from .inbox import ACTIONS, HANDLERS, ONCE, Inbox
from .lenient import lenient
from .orders import ASKED, Orders, trigger_payload
from .security import Security16
from .settings import CONNECTORS, evses_of, read_settings
from .setup import Setup

SCHEMAS = Schemas("1.6")


class Talk16:
    """What OCPP 1.6 makes of an accepted station."""

    def __init__(self, accepted: Accepted) -> None:
        self._inbox = Inbox(accepted)
        self.line = Orders(accepted)
        self._station = accepted.station
        self._setup = Setup(accepted.asker, accepted.station, accepted.around.sample_interval_s)

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call of the station."""
        return await HANDLERS[action](self._inbox, payload)

    async def set_up(self) -> None:
        """Ask and tell the station what is needed."""
        await self._setup.run()
        await self._station.keep_fallback()


def _introduction(info: StationInfo, payload: Payload) -> StationInfo:
    serial = payload.get("chargePointSerialNumber") or payload.get("chargeBoxSerialNumber")
    return replace(
        info,
        vendor=_text(payload["chargePointVendor"]),
        model=_text(payload["chargePointModel"]),
        serial=_text(serial),
        firmware=_text(payload.get("firmwareVersion")),
    )


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None


async def _count_evses(asker: Asker) -> int | None:
    return evses_of(await read_settings(asker.ask, (CONNECTORS,)))


def _preload() -> None:
    SCHEMAS.preload(ACTIONS, ())
    SCHEMAS.preload(ASKED, ASKED)


V16 = Version(
    subprotocol="ocpp1.6",
    schemas=SCHEMAS,
    actions=ACTIONS,
    once=ONCE,
    capabilities=ASKED,
    trigger_payload=trigger_payload,
    lenient=lenient,
    introduction=_introduction,
    count_evses=_count_evses,
    talk=Talk16,
    security=Security16,
    preload=_preload,
)
