"""What a station of OCPP 2.0.1 is asked when it is tested."""

from ..limits import Limit
from ..schema import Payload
from ..selftest import SkippedError, Status, heard, words
from ..version import Accepted
from .device_model import DeviceModel
from .fallback import default_profiles, foreign, lost
from .profiles import composite_amount, composite_payload
from .settings import NEEDED, UPDATED_MEASURANDS, WANTED, items_at_once, read_variables
from .triggers import trigger_payload


class Questions:
    """The questions to one station."""

    def __init__(self, accepted: Accepted) -> None:
        self._asker = accepted.asker
        self._station = accepted.station
        self._heard_s = accepted.around.timing.call_s

    async def wrong_settings(self) -> list[str]:
        """Return in words which variables are not as they are wanted."""
        known = self._station.kept(DeviceModel)
        wanted = [one for one in WANTED if one.key in known]
        model = DeviceModel()
        await read_variables(self._asker, model, [one.key for one in wanted], items_at_once(known))
        told = [(one, model[one.key]) for one in wanted]
        return words(
            [
                (str(one.key), found.value, one.value)
                for one, found in told
                if found is not None and found.value is not None and not one.met_by(found.value)
            ]
        )

    async def measurands(self) -> tuple[str, bool] | None:
        """Return what it measures in a transaction, and whether that is enough."""
        model = DeviceModel()
        await read_variables(self._asker, model, [UPDATED_MEASURANDS], 1)
        told = model[UPDATED_MEASURANDS]
        if told is None or told.value is None:
            return None
        return told.value, set(NEEDED) <= set(told.items)

    async def status(self, evse: int) -> Status | None:
        """Have it tell the state of the first plug of an EVSE."""
        payload = await self._heard("StatusNotification", evse)
        if payload is None:
            return None
        return Status(payload["connectorStatus"] == "Available", payload.get("timestamp"))

    async def meter(self, evse: int) -> int | None:
        """Have it tell its meter."""
        payload = await self._heard("MeterValues", evse)
        if payload is None:
            return None
        return sum(len(value["sampledValue"]) for value in payload["meterValue"])

    async def list_version(self) -> int:
        """Return the version of its list of tokens."""
        version: int = (await self._asker.ask("GetLocalListVersion", {}))["versionNumber"]
        return version

    async def in_force(self, limit: Limit) -> float | None:
        """Return what it says is in force, in the unit of the limit."""
        answer = await self._asker.ask("GetCompositeSchedule", composite_payload(limit))
        return composite_amount(limit, answer)

    async def wrong_fallback(self, current_a: int) -> str:
        """Return in words what is wrong with its fallback."""
        evses = self._station.info.evses
        profiles = await default_profiles(self._station, self._heard_s)
        if profiles is None:
            raise SkippedError("it does not say")
        if others := foreign(profiles, evses):
            return f"profile {others[0]} of somebody else may go before it"
        return lost(profiles, current_a, self._station.learned.unit, evses)

    async def _heard(self, message: str, evse: int) -> Payload | None:
        payload = trigger_payload(message, evse)
        return await heard(
            self._station,
            lambda: self._asker.trigger_with(message, payload),
            lambda action, said: action == message and said["evseId"] == evse,
            self._heard_s,
        )
