"""A station of OCPP 2.x with a device model, which it reports and lets be set."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from custom_components.forecourt.stations.ocpp import CentralSystem
from custom_components.forecourt.stations.ocpp.v201.device_model import Key
from tests.wire.ocpp.peer import Payload, stamp

from .peer import Peer201

REGISTER = "Energy.Active.Import.Register"
ALL = f"{REGISTER},Power.Active.Import,Current.Import,Voltage"


@dataclass
class Var:
    """A variable of the station."""

    value: str | None
    mutability: str | None = "ReadWrite"
    limits: Payload | None = None

    def told(self, key: Key) -> Payload:
        """Return its entry of a NotifyReport."""
        attribute: Payload = {}
        if self.value is not None:
            attribute["value"] = self.value
        if self.mutability is not None:
            attribute["mutability"] = self.mutability
        entry = key.payload | {"variableAttribute": [attribute]}
        if self.limits is not None:
            told = {"dataType": "MemberList", "supportsMonitoring": False, **self.limits}
            entry["variableCharacteristics"] = told
        return entry


def sampled(variable: str) -> Key:
    return Key("SampledDataCtrlr", variable)


INTERVAL = sampled("TxUpdatedInterval")
UPDATED = sampled("TxUpdatedMeasurands")
STARTED = sampled("TxStartedMeasurands")
ENDED = sampled("TxEndedMeasurands")
START_POINT = Key("TxCtrlr", "TxStartPoint")
STOP_POINT = Key("TxCtrlr", "TxStopPoint")
RATE_UNIT = Key("SmartChargingCtrlr", "RateUnit")


def outlet(number: int) -> Key:
    return Key("EVSE", "AvailabilityState", evse=number)


def right() -> dict[Key, Var]:
    """Return the variables of a station on which nothing is to be changed."""
    return {
        outlet(1): Var("Available", "ReadOnly"),
        Key("Connector", "Available", evse=1, connector=1): Var("true", "ReadOnly"),
        INTERVAL: Var("10"),
        UPDATED: Var(ALL),
        STARTED: Var(REGISTER),
        ENDED: Var(REGISTER),
        START_POINT: Var("PowerPathClosed"),
        STOP_POINT: Var("EVConnected,Authorized"),
        Key("AlignedDataCtrlr", "Interval"): Var("0"),
        Key("TxCtrlr", "StopTxOnInvalidId"): Var("true"),
        Key("AuthCtrlr", "AuthorizeRemoteStart"): Var("false"),
        Key("AuthCtrlr", "LocalPreAuthorize"): Var("false"),
        Key("SmartChargingCtrlr", "Enabled"): Var("1"),
        Key("LocalAuthListCtrlr", "Enabled"): Var("True"),
        Key("LocalAuthListCtrlr", "ItemsPerMessage"): Var("8", "ReadOnly"),
        Key("SecurityCtrlr", "BasicAuthPassword"): Var("open sesame 1234", "WriteOnly"),
    }


class ModelPeer(Peer201):
    """Reports `variables`, `chunk` of them in a message; `lost` is a chunk that never comes.

    `refused` are the values that it does not take, `in_all` what it takes at once.
    """

    def __init__(
        self, central: CentralSystem, variables: dict[Key, Var] | None = None, **options: Any
    ) -> None:
        super().__init__(central, **options)
        self.variables = right() if variables is None else variables
        self.chunk = 7
        self.lost: int | None = None
        self.silent = False
        self.refused: set[str] = set()
        self.in_all = 100
        self._reports: set[asyncio.Task[None]] = set()
        self.answers = {
            "GetBaseReport": self._base_report,
            "GetVariables": self._get_variables,
            "SetVariables": self._set_variables,
        }

    @property
    def told_to_set(self) -> list[tuple[str, str]]:
        """What it was told to set, in order."""
        return [
            (str(Key.of(one)), one["attributeValue"])
            for payload in self.calls("SetVariables")
            for one in payload["setVariableData"]
        ]

    async def met(self, **boot: Any) -> Self:
        """Boot and wait for the end of the set-up, of which `asked` keeps everything."""
        assert (await self.boot(**boot))["status"] == "Accepted"
        await self.set_up()
        return self

    async def report(self, request_id: int) -> None:
        """Tell the report."""
        entries = [var.told(key) for key, var in self.variables.items()]
        chunks = [entries[at : at + self.chunk] for at in range(0, len(entries), self.chunk)]
        for number, chunk in enumerate(chunks):
            if number != self.lost:
                await self.told(
                    "NotifyReport",
                    requestId=request_id,
                    generatedAt=stamp(),
                    seqNo=number,
                    tbc=number < len(chunks) - 1,
                    reportData=chunk,
                )

    def _base_report(self, payload: Payload) -> Payload:
        if not self.silent:
            task = asyncio.create_task(self.report(payload["requestId"]))
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)
        return {"status": "Accepted"}

    def _get_variables(self, payload: Payload) -> Any:
        wanted = payload["getVariableData"]
        if len(wanted) > self.in_all:
            return "OccurrenceConstraintViolation"
        return {"getVariableResult": [self._result(one) for one in wanted]}

    def _result(self, one: Payload) -> Payload:
        known = {key.folded: var for key, var in self.variables.items()}
        var = known.get(Key.of(one).folded)
        if var is None:
            return one | {"attributeStatus": "UnknownVariable"}
        if var.mutability == "WriteOnly":
            return one | {"attributeStatus": "Rejected"}
        return one | {"attributeStatus": "Accepted", "attributeValue": var.value}

    def _set_variables(self, payload: Payload) -> Payload:
        results = []
        for one in payload["setVariableData"]:
            taken = one["attributeValue"] not in self.refused
            if taken:
                self.variables[Key.of(one)].value = one["attributeValue"]
            names = {name: one[name] for name in ("component", "variable")}
            results.append(names | {"attributeStatus": "Accepted" if taken else "Rejected"})
        return {"setVariableResult": results}
