"""Device model, reports, reset, network profiles (OCPP 2.0.1 block B)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...clock import wire_time
from ...frames import Payload
from ..variables import Place, Variable
from .base import ACCEPTED, Answer, Handlers, refused

if TYPE_CHECKING:
    from ..station import Ocpp201Station

_SUMMARY = ("AvailabilityState", "Problem")


class Provisioning:
    """Shows and changes what the station is."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "GetBaseReport": self._get_base_report,
            "GetReport": self._get_report,
            "GetVariables": self._get_variables,
            "Reset": self._reset,
            "SetNetworkProfile": self._set_network_profile,
            "SetVariables": self._set_variables,
        }

    def _get_variables(self, payload: Payload) -> Answer:
        wanted = payload["getVariableData"]
        return {"getVariableResult": [self._in.variables.get(one) for one in wanted]}, None

    def _set_variables(self, payload: Payload) -> Answer:
        results, changed = [], []
        for wanted in payload["setVariableData"]:
            result = self._unfit(wanted)
            variable = None
            if result is None:
                result, variable = self._in.variables.change(wanted)
            results.append(result)
            if variable is not None:
                changed.append(variable.name)

        async def carry_out() -> None:
            if "BasicAuthPassword" in changed:
                networks = self._station.networks
                networks.password = self._in.variables.text("SecurityCtrlr.BasicAuthPassword")
                self._station.spawn(self._station.connection.close())
            self._in.changed()

        return {"setVariableResult": results}, carry_out

    def _unfit(self, wanted: Payload) -> Payload | None:
        """Refuse a value that does not fit what else the station knows."""
        found = self._in.variables.lookup(wanted)
        if not isinstance(found, Variable) or found.name != "NetworkConfigurationPriority":
            return None
        if self._station.networks.known(wanted["attributeValue"]):
            return None
        return {
            "attributeStatus": "Rejected",
            "attributeStatusInfo": {"reasonCode": "InvalidNetworkConf"},
            "component": wanted["component"],
            "variable": wanted["variable"],
        }

    # --- reports ----------------------------------------------------------------------------------

    def _get_base_report(self, payload: Payload) -> Answer:
        base = payload["reportBase"]
        found = list(self._in.variables)
        if base == "ConfigurationInventory":
            found = [one for one in found if one.mutability != "ReadOnly"]
        elif base == "SummaryInventory":
            found = [one for one in found if one.name in _SUMMARY]
        return self._answer(payload["requestId"], found)

    def _get_report(self, payload: Payload) -> Answer:
        wanted = payload.get("componentVariable")
        criteria = payload.get("componentCriteria", [])
        found = [
            one
            for one in self._in.variables
            if (wanted is None or any(matches(one, each) for each in wanted))
            and (not criteria or self._fits(one, criteria))
        ]
        return self._answer(payload["requestId"], found)

    def _fits(self, variable: Variable, criteria: Sequence[str]) -> bool:
        """Whether the component meets one of the criteria; it does if it lacks the variable."""
        for criterion in criteria:
            found = self._in.variables.find(variable.place, criterion, None)
            missing = criterion != "Problem"
            if missing if found is None else found.actual.lower() == "true":
                return True
        return False

    def _answer(self, request_id: int, found: list[Variable]) -> Answer:
        if not found:
            return {"status": "EmptyResultSet"}, None

        async def carry_out() -> None:
            await self.report(
                "NotifyReport", request_id, "reportData", [one.report() for one in found]
            )

        return {"status": "Accepted"}, carry_out

    async def report(self, action: str, request_id: int, name: str, data: list[Any]) -> None:
        """Send a report in as many messages as it takes; errors as `Link.call`."""
        size = self._in.config.reports_chunk
        parts = [data[start : start + size] for start in range(0, len(data), size)]
        for number, part in enumerate(parts):
            await self._station.connection.own_link().call(
                action,
                {
                    "requestId": request_id,
                    "generatedAt": wire_time(self._in.time.now()),
                    "seqNo": number,
                    "tbc": number + 1 < len(parts),
                    name: part,
                },
            )

    # --- reset and network ------------------------------------------------------------------------

    def _reset(self, payload: Payload) -> Answer:
        kind, number = payload["type"], payload.get("evseId")
        if number is not None and number not in self._station.outlets:
            return refused("UnknownEvse")
        if number is not None:
            return self._reset_evse(kind, number)
        waits = kind == "OnIdle" and self._running() > 0

        async def carry_out() -> None:
            self._station.spawn(self._reboot(kind))

        return {"status": "Scheduled" if waits else "Accepted"}, carry_out

    async def _reboot(self, kind: str) -> None:
        station = self._station
        if kind == "ImmediateAndResume":
            await station.reboot("RemoteReset", None)
            for one in station.outlets.values():
                one.tell("TxResumed")
            return
        if kind == "OnIdle":
            self._in.resetting = self._running() > 0
            scheduled = self._in.resetting
            while self._running() > 0:
                await station.clock.sleep(station.config.tick_s)
            await station.reboot("ScheduledReset" if scheduled else "RemoteReset", "ImmediateReset")
            return
        await station.reboot("RemoteReset", "ImmediateReset")

    def _running(self) -> int:
        return sum(1 for one in self._station.outlets.values() if one.transaction is not None)

    def _reset_evse(self, kind: str, number: int) -> Answer:
        """Reset one EVSE: out of service for the time of a reboot (B11, B12)."""
        if not self._in.variables.flag(f"EVSE:{number}.AllowReset"):
            return refused("NotEnabled")
        outlet = self._station.outlets[number]
        waits = kind == "OnIdle" and outlet.transaction is not None

        async def reset() -> None:
            while kind == "OnIdle" and outlet.transaction is not None:
                await self._in.clock.sleep(self._in.config.tick_s)
            outlet.stop("ImmediateReset")
            outlet.set_operative(None, operative=False)
            await self._in.clock.sleep(self._in.config.reboot_s)
            outlet.set_operative(None, operative=True)

        async def carry_out() -> None:
            self._station.spawn(reset())

        return {"status": "Scheduled" if waits else "Accepted"}, carry_out

    def _set_network_profile(self, payload: Payload) -> Answer:
        reason = self._station.networks.fill(
            payload["configurationSlot"], payload["connectionData"]
        )
        return ACCEPTED if reason is None else refused(reason)


def matches(variable: Variable, wanted: Payload) -> bool:
    """Whether a ComponentVariableType names a variable; what it leaves out is a wildcard (B08)."""
    component = Place.parse(wanted["component"])
    name = wanted.get("variable")
    return (
        variable.place.component.casefold() == component.component.casefold()
        and component.component_instance in (None, variable.place.component_instance)
        and component.evse in (None, variable.place.evse)
        and component.connector in (None, variable.place.connector)
        and (
            name is None
            or (
                name["name"].casefold() == variable.name.casefold()
                and name.get("instance") in (None, variable.instance)
            )
        )
    )
