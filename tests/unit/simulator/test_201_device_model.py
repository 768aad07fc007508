"""The device model: variables are read and set, and reported in parts."""

from __future__ import annotations

from typing import Any

import pytest

from .csms import Csms
from .station201 import ACCEPTED, Dial, csms, dial

__all__ = ["csms", "dial"]


@pytest.mark.parametrize(
    ("component", "variable", "more", "status", "value"),
    [
        ("OCPPCommCtrlr", "HeartbeatInterval", {}, "Accepted", "300"),
        ("ocppcommctrlr", "heartbeatinterval", {}, "Accepted", "300"),
        ("OCPPCommCtrlr", "Nonsense", {}, "UnknownVariable", None),
        ("Nonsense", "HeartbeatInterval", {}, "UnknownComponent", None),
        ("SecurityCtrlr", "BasicAuthPassword", {}, "Rejected", None),
        (
            *("OCPPCommCtrlr", "HeartbeatInterval", {"attributeType": "MaxSet"}),
            *("NotSupportedAttributeType", None),
        ),
        ("OCPPCommCtrlr", "MessageAttempts", {}, "UnknownVariable", None),
        (
            *("OCPPCommCtrlr", "MessageAttempts"),
            {"variable": {"name": "MessageAttempts", "instance": "TransactionEvent"}},
            *("Accepted", "3"),
        ),
        (
            *("EVSE", "AvailabilityState", {"component": {"name": "EVSE", "evse": {"id": 2}}}),
            *("Accepted", "Available"),
        ),
        (
            *("Connector", "Problem"),
            {"component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}},
            *("Accepted", "false"),
        ),
        ("SmartChargingCtrlr", "RateUnit", {}, "Accepted", "A,W"),
        ("SecurityCtrlr", "SecurityProfile", {}, "Accepted", "0"),
        ("ChargingStation", "AvailabilityState", {}, "Accepted", "Available"),
        ("ChargingStation", "FirmwareVersion", {}, "Accepted", "1.0.0"),
        ("MonitoringCtrlr", "ActiveMonitoringBase", {}, "Accepted", "All"),
        ("SecurityCtrlr", "CertificateEntries", {}, "Accepted", "0"),
        ("DisplayMessageCtrlr", "DisplayMessages", {}, "Accepted", "0"),
    ],
)
async def test_get(  # noqa: PLR0917
    csms: Csms,
    dial: Dial,
    component: str,
    variable: str,
    more: dict[str, Any],
    status: str,
    value: str | None,
) -> None:
    await dial(evses=2)
    result = await csms.get(component, variable, **more)
    assert (result["attributeStatus"], result.get("attributeValue")) == (status, value)
    assert result["variable"] == more.get("variable", {"name": variable})


@pytest.mark.parametrize(
    ("component", "variable", "value", "status"),
    [
        ("OCPPCommCtrlr", "HeartbeatInterval", "60", "Accepted"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "soon", "Rejected"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "0", "Rejected"),
        ("OCPPCommCtrlr", "WebSocketPingInterval", "30", "RebootRequired"),
        ("OCPPCommCtrlr", "FileTransferProtocols", "FTP", "Rejected"),
        ("OCPPCommCtrlr", "Nonsense", "1", "UnknownVariable"),
        ("Nonsense", "Nonsense", "1", "UnknownComponent"),
        ("AuthCtrlr", "Enabled", "TRUE", "Accepted"),
        ("AuthCtrlr", "Enabled", "1", "Rejected"),
        ("TxCtrlr", "TxStopPoint", "Authorized,EVConnected", "Accepted"),
        ("TxCtrlr", "TxStopPoint", "Authorized,Authorized", "Rejected"),
        ("TxCtrlr", "TxStopPoint", "Sunday", "Rejected"),
        ("ClockCtrlr", "TimeSource", "NTP", "Accepted"),
        ("SecurityCtrlr", "OrganizationName", "Depot", "Accepted"),
    ],
)
async def test_set(  # noqa: PLR0917
    csms: Csms, dial: Dial, component: str, variable: str, value: str, status: str
) -> None:
    await dial()
    before = await csms.get(component, variable)
    assert await csms.set(component, variable, value) == status
    after = await csms.get(component, variable)
    assert (after == before) is (status not in ("Accepted", "RebootRequired"))
    if after != before:
        assert after["attributeValue"] == value


async def test_another_attribute_is_not_set(csms: Csms, dial: Dial) -> None:
    await dial()
    status = await csms.set("OCPPCommCtrlr", "HeartbeatInterval", "9", attributeType="MinSet")
    assert status == "NotSupportedAttributeType"


async def test_a_report_comes_in_parts(csms: Csms, dial: Dial) -> None:
    station = await dial(reports_chunk=7, evses=2, connectors=2)
    wanted = {"requestId": 12, "reportBase": "FullInventory"}
    assert await csms.call("GetBaseReport", wanted) == ACCEPTED
    await station.wait_for(
        lambda _: csms.calls("NotifyReport") and not csms.calls("NotifyReport")[-1]["tbc"]
    )
    parts = csms.calls("NotifyReport")
    assert [one["seqNo"] for one in parts] == list(range(len(parts)))
    assert [one["tbc"] for one in parts] == [*[True] * (len(parts) - 1), False]
    assert {one["requestId"] for one in parts} == {12}
    assert {len(one["reportData"]) for one in parts[:-1]} == {7}
    everything = [one for part in parts for one in part["reportData"]]
    assert len(everything) == len(list(station.variables))
    power = next(one for one in everything if one["variable"]["name"] == "Power")
    assert power["component"]["evse"] == {"id": 1}
    assert power["variableCharacteristics"]["maxLimit"] == pytest.approx(11_040)
    assert power["variableCharacteristics"]["supportsMonitoring"]
    secret = next(one for one in everything if one["variable"]["name"] == "BasicAuthPassword")
    assert secret["variableAttribute"][0]["mutability"] == "WriteOnly"
    assert "value" not in secret["variableAttribute"][0]
    assert station.books.violations == []


async def test_chosen_reports(csms: Csms, dial: Dial) -> None:
    station = await dial(reports_chunk=1000, evses=2)

    async def reported(action: str, **payload: Any) -> set[tuple[Any, ...]] | str:
        before = len(csms.calls("NotifyReport"))
        answer = await csms.call(action, {"requestId": before, **payload})
        if answer != ACCEPTED:
            return str(answer["status"])
        await station.wait_for(lambda _: len(csms.calls("NotifyReport")) > before)
        return {
            (
                one["component"]["name"],
                one["component"].get("evse", {}).get("id"),
                one["variable"]["name"],
            )
            for part in csms.calls("NotifyReport")[before:]
            for one in part["reportData"]
        }

    configuration = await reported("GetBaseReport", reportBase="ConfigurationInventory")
    assert ("OCPPCommCtrlr", None, "HeartbeatInterval") in configuration
    assert ("EVSE", 1, "Power") not in configuration
    summary = await reported("GetBaseReport", reportBase="SummaryInventory")
    assert {name for _, _, name in summary} == {"AvailabilityState", "Problem"}

    def wanted(component: dict[str, Any], variable: str | None = None) -> list[dict[str, Any]]:
        one: dict[str, Any] = {"component": component}
        return [one if variable is None else {**one, "variable": {"name": variable}}]

    power = await reported("GetReport", componentVariable=wanted({"name": "EVSE"}, "Power"))
    assert power == {("EVSE", 1, "Power"), ("EVSE", 2, "Power")}
    second = wanted({"name": "evse", "evse": {"id": 2}})
    assert {evse for _, evse, _ in await reported("GetReport", componentVariable=second)} == {2}
    assert await reported("GetReport", componentVariable=wanted({"name": "X"})) == "EmptyResultSet"
    assert await reported("GetReport", componentCriteria=["Problem"]) == "EmptyResultSet"
    station.evse(2).set_error("OverVoltage")
    problems = await reported("GetReport", componentCriteria=["Problem"])
    assert {(component, evse) for component, evse, _ in problems} == {("Connector", 2)}
    enabled = await reported(
        "GetReport",
        componentCriteria=["Enabled"],
        componentVariable=wanted({"name": "AuthCacheCtrlr"}),
    )
    assert ("AuthCacheCtrlr", None, "LifeTime") in enabled


async def test_a_variable_may_be_missing(csms: Csms, dial: Dial) -> None:
    station = await dial(variables={"OCPPCommCtrlr.HeartbeatInterval": None})
    result = await csms.get("OCPPCommCtrlr", "HeartbeatInterval")
    assert result["attributeStatus"] == "UnknownVariable"
    assert not station.variables.has("OCPPCommCtrlr.HeartbeatInterval")
    assert station.variables.has("OCPPCommCtrlr.MessageAttempts[transactionevent]")
