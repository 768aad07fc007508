"""What a station of OCPP 1.6 is asked when it is tested."""

from ...base import StationError
from ..composite import InForce, compared
from ..learned import RateUnit
from ..limits import VOLTS, Limit
from ..selftest import SkippedError, Status, heard, words
from ..settling import only_refusals
from ..version import Accepted
from .profiles import composite_amount, composite_payload
from .settings import (
    SAMPLE_INTERVAL,
    SAMPLED_DATA,
    WANTED,
    Wanted,
    measures_enough,
    read_settings,
)


class Questions:
    """The questions to one station."""

    def __init__(self, accepted: Accepted) -> None:
        self._asker = accepted.asker
        self._station = accepted.station
        self._heard_s = accepted.around.timing.call_s
        interval_s = accepted.around.sample_interval_s
        self._wanted = (*WANTED, Wanted(SAMPLE_INTERVAL, str(interval_s)))

    async def wrong_settings(self) -> list[str]:
        """Return in words which settings are not as they are wanted."""
        told = await read_settings(self._asker.ask, tuple(one.key for one in self._wanted))
        return words(
            [
                (one.key, told[one.key].value, one.value)
                for one in self._wanted
                if one.key in told and not one.met_by(told[one.key].value)
            ]
        )

    async def measurands(self) -> tuple[str, bool] | None:
        """Return what it measures, and whether that is enough."""
        told = (await read_settings(self._asker.ask, (SAMPLED_DATA,))).get(SAMPLED_DATA)
        return None if told is None else (told.value, measures_enough(told))

    async def status(self, evse: int) -> Status | None:
        """Have it tell the state of a connector."""
        payload = await heard(
            self._station,
            lambda: self._asker.trigger("StatusNotification", evse),
            lambda action, said: action == "StatusNotification" and said["connectorId"] == evse,
            self._heard_s,
        )
        if payload is None:
            return None
        return Status(payload["status"] == "Available", payload.get("timestamp"))

    async def meter(self, evse: int) -> int | None:
        """Have it tell its meter."""
        payload = await heard(
            self._station,
            lambda: self._asker.trigger("MeterValues", evse),
            lambda action, said: action == "MeterValues" and said["connectorId"] == evse,
            self._heard_s,
        )
        if payload is None:
            return None
        return sum(len(value["sampledValue"]) for value in payload["meterValue"])

    async def list_version(self) -> int:
        """Return the version of its list of tokens."""
        version: int = (await self._asker.ask("GetLocalListVersion", {}))["listVersion"]
        return version

    async def in_force(self, limit: Limit) -> float | None:
        """Return what it says is in force, in the unit of the limit."""
        answer = await self._asker.ask("GetCompositeSchedule", composite_payload(limit))
        return composite_amount(limit, answer)

    async def wrong_fallback(self, current_a: int) -> str:
        """Say that the fallback is there if no more is in force at an outlet at rest.

        More proves nothing: many stations leave the TxDefaultProfile out there.
        """
        station = self._station
        outlets = range(1, station.info.evses + 1)
        resting = next((one for one in outlets if one not in station.transactions), None)
        if resting is not None:
            unit = station.learned.unit or RateUnit.AMPERE
            amount = current_a * (VOLTS if unit is RateUnit.WATT else 1)
            limit = Limit(evse=resting, amount=amount, unit=unit, at=station.limiter.now())
            try:
                told = await self.in_force(limit)
            except StationError as err:
                only_refusals(err)
                told = None
            if compared(limit, told) is InForce.AS_ORDERED:
                return ""
        raise SkippedError("OCPP 1.6 cannot ask for it")
