"""Display messages, costs, and the tariffs of OCPP 2.1."""

from __future__ import annotations

from typing import Any

from .csms import Csms
from .station201 import ACCEPTED, CARD, Dial, charging, csms, dial, running_id

__all__ = ["csms", "dial"]


def message(number: int, **more: Any) -> dict[str, Any]:
    content = {"format": more.pop("format", "UTF8"), "content": "Hello"}
    return {"message": {"id": number, "priority": "InFront", "message": content, **more}}


async def test_display_messages(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)

    async def put(number: int, **more: Any) -> str:
        return str((await csms.call("SetDisplayMessage", message(number, **more)))["status"])

    assert await put(1) == "Accepted"
    assert await put(2, state="Charging", transactionId=running_id(station)) == "Accepted"
    assert await put(3, format="HTML") == "NotSupportedMessageFormat"
    assert await put(3, transactionId="x") == "UnknownTransaction"

    async def shown(**wanted: Any) -> list[int]:
        before = len(csms.calls("NotifyDisplayMessages"))
        if await csms.call("GetDisplayMessages", {"requestId": 8, **wanted}) != ACCEPTED:
            return []
        await station.wait_for(lambda _: len(csms.calls("NotifyDisplayMessages")) > before)
        return [one["id"] for one in csms.calls("NotifyDisplayMessages")[-1]["messageInfo"]]

    assert await shown() == [1, 2]
    assert await shown(id=[2, 3]) == [2]
    assert await shown(state="Charging", priority="InFront") == [2]
    assert await shown(priority="AlwaysFront") == []
    count = await csms.get("DisplayMessageCtrlr", "DisplayMessages")
    assert count["attributeValue"] == "2"
    assert await csms.call("ClearDisplayMessage", {"id": 1}) == ACCEPTED
    assert await csms.call("ClearDisplayMessage", {"id": 1}) == {"status": "Unknown"}


async def test_the_cost_is_shown(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)
    assert await csms.call("CostUpdated", {"totalCost": 2.5, "transactionId": "x"}) == {}
    assert station.state()["connectors"][0]["total_cost"] is None
    cost = {"totalCost": 2.5, "transactionId": running_id(station)}
    assert await csms.call("CostUpdated", cost) == {}
    assert station.state()["connectors"][0]["total_cost"] == 2.5


def tariff(name: str, currency: str = "EUR") -> dict[str, Any]:
    return {"tariffId": name, "currency": currency, "energy": {"prices": [{"priceKwh": 0.3}]}}


async def test_tariffs(csms: Csms, dial: Dial) -> None:
    csms.subprotocols = ("ocpp2.1",)
    station = await charging(dial, version="2.1", evses=2)

    async def put(evse: int, one: dict[str, Any]) -> str:
        payload = {"evseId": evse, "tariff": one}
        return str((await csms.call("SetDefaultTariff", payload))["status"])

    assert await csms.call("GetTariffs", {"evseId": 0}) == {"status": "NoTariff"}
    assert await put(9, tariff("A")) == "Rejected"
    assert await put(0, tariff("A")) == "Accepted"
    assert await put(1, tariff("B")) == "Accepted"
    assert await put(2, tariff("B")) == "DuplicateTariffId"
    answer = await csms.call("GetTariffs", {"evseId": 0})
    assert answer["tariffAssignments"] == [
        {"tariffId": "B", "tariffKind": "DefaultTariff", "evseIds": [1]},
        {"tariffId": "A", "tariffKind": "DefaultTariff", "evseIds": [2]},
    ]

    async def change(transaction_id: str, one: dict[str, Any]) -> str:
        payload = {"transactionId": transaction_id, "tariff": one}
        return str((await csms.call("ChangeTransactionTariff", payload))["status"])

    transaction_id = running_id(station)
    assert await change("x", tariff("C")) == "TxNotFound"
    assert await change(transaction_id, tariff("C", "USD")) == "NoCurrencyChange"
    assert await change(transaction_id, tariff("C")) == "Accepted"
    await station.wait_for(lambda _: ("Updated", "TariffChanged") in csms.story())
    event = next(one for one in csms.events() if one["triggerReason"] == "TariffChanged")
    assert event["transactionInfo"]["tariffId"] == "C"
    answer = await csms.call("GetTariffs", {"evseId": 1})
    assert answer["tariffAssignments"][1] == {
        "tariffId": "C",
        "tariffKind": "DriverTariff",
        "evseIds": [1],
        "idTokens": [CARD],
    }

    async def clear(**payload: Any) -> list[tuple[str | None, str]]:
        results = (await csms.call("ClearTariffs", payload))["clearTariffsResult"]
        return [(one.get("tariffId"), one["status"]) for one in results]

    assert await clear(tariffIds=["B", "X"]) == [("B", "Accepted"), ("X", "NoTariff")]
    assert await clear() == [("A", "Accepted")]
    assert await clear(evseId=1) == [(None, "NoTariff")]
    assert station.books.violations == []
