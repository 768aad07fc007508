"""What a station of OCPP 2.x tells in messages of its own after it answered a call.

They belong to who asked, by the requestId of the call, and are kept nowhere.
"""

import asyncio
from contextlib import suppress
from typing import NamedTuple

from .schema import Payload
from .station import OcppStation

# The call, and the messages that carry what it asked for.
REPORTS = {
    "CustomerInformation": "NotifyCustomerInformation",
    "GetBaseReport": "NotifyReport",
    "GetChargingProfiles": "ReportChargingProfiles",
    "GetDisplayMessages": "NotifyDisplayMessages",
    "GetMonitoringReport": "NotifyMonitoringReport",
    "GetReport": "NotifyReport",
}
# How long the next message may take, and how many there may be.
PATIENCE_S = 5.0
MAX_REPORTS = 2000


class Reported(NamedTuple):
    """The answer to a call, and the messages that followed; `None` where none belong to it."""

    answer: Payload
    reports: list[Payload] | None

    @property
    def complete(self) -> bool:
        """Whether the last of the messages has come."""
        return self.reports is not None and any(not one.get("tbc") for one in self.reports)


async def call_with_reports(
    station: OcppStation, action: str, payload: Payload, *, patience_s: float = PATIENCE_S
) -> Reported:
    """Call a station and wait for what it tells after its answer. Raises `StationError`."""
    notice = REPORTS.get(action)
    if notice is None:
        return Reported(await station.call(action, payload), None)
    told = Reported({}, [])
    news = asyncio.Event()

    def observer(name: str, said: Payload, _: Payload) -> None:
        is_ours = name == notice and said.get("requestId") == payload.get("requestId")
        if is_ours and told.reports is not None and len(told.reports) < MAX_REPORTS:
            told.reports.append(said)
            news.set()

    release = station.observe(observer)
    try:
        told = told._replace(answer=await station.call(action, payload))
        # CustomerInformation may only have something cleared.
        if told.answer.get("status") == "Accepted" and payload.get("report", True):
            with suppress(TimeoutError):
                while not told.complete:
                    news.clear()
                    async with asyncio.timeout(patience_s):
                        await news.wait()
    finally:
        release()
    return told
