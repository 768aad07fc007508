"""Display messages, costs and tariffs (OCPP 2.0.1 blocks I and O; tariffs: 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload
from ..outlet import Outlet
from .base import ACCEPTED, Answer, Handlers, refused

if TYPE_CHECKING:
    from ..station import Ocpp201Station

_FORMATS = ("ASCII", "UTF8")


class Prices:
    """Shows what things cost, and whatever else the server wants to be shown."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals
        self.messages: dict[int, Payload] = {}
        """The display messages, by their id."""
        self._defaults: dict[int, Payload] = {}
        """The default tariff of each EVSE."""
        self._drivers: dict[str, Payload] = {}
        """The tariff of a transaction."""

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "ChangeTransactionTariff": self._change_tariff,
            "ClearDisplayMessage": self._clear_message,
            "ClearTariffs": self._clear_tariffs,
            "CostUpdated": self._cost_updated,
            "GetDisplayMessages": self._get_messages,
            "GetTariffs": self._get_tariffs,
            "SetDefaultTariff": self._set_default_tariff,
            "SetDisplayMessage": self._set_message,
        }

    def _running(self, transaction_id: str) -> Outlet | None:
        for one in self._station.outlets.values():
            if one.transaction is not None and one.transaction.transaction_id == transaction_id:
                return one
        return None

    def _cost_updated(self, payload: Payload) -> Answer:
        outlet = self._running(payload["transactionId"])
        if outlet is not None and outlet.transaction is not None:
            outlet.transaction.total_cost = payload["totalCost"]
        return {}, None

    # --- display ----------------------------------------------------------------------------------

    def _set_message(self, payload: Payload) -> Answer:
        message = payload["message"]
        if message["message"]["format"] not in _FORMATS:
            return {"status": "NotSupportedMessageFormat"}, None
        if "transactionId" in message and self._running(message["transactionId"]) is None:
            return {"status": "UnknownTransaction"}, None
        self.messages[message["id"]] = message
        return ACCEPTED

    def _get_messages(self, payload: Payload) -> Answer:
        ids = payload.get("id")
        found = [
            one
            for one in self.messages.values()
            if (ids is None or one["id"] in ids)
            and payload.get("priority") in (None, one["priority"])
            and payload.get("state") in (None, one.get("state"))
        ]
        if not found:
            return {"status": "Unknown"}, None

        async def tell() -> None:
            message = {"requestId": payload["requestId"], "messageInfo": found, "tbc": False}
            await self._station.connection.own_link().call("NotifyDisplayMessages", message)

        return {"status": "Accepted"}, tell

    def _clear_message(self, payload: Payload) -> Answer:
        found = self.messages.pop(payload["id"], None)
        return {"status": "Unknown" if found is None else "Accepted"}, None

    # --- tariffs ----------------------------------------------------------------------------------

    def _evses(self, number: int) -> list[int]:
        """The EVSEs that a number means: 0 all, an unknown one none."""
        outlets = self._station.outlets
        return list(outlets) if number == 0 else [one for one in outlets if one == number]

    def _set_default_tariff(self, payload: Payload) -> Answer:
        evses, tariff = self._evses(payload["evseId"]), payload["tariff"]
        if not evses:
            return refused("UnknownEvse")
        others = (one for number, one in self._defaults.items() if number not in evses)
        if any(one["tariffId"] == tariff["tariffId"] for one in others):
            return {"status": "DuplicateTariffId"}, None
        self._defaults.update((number, tariff) for number in evses)
        return ACCEPTED

    def _get_tariffs(self, payload: Payload) -> Answer:
        evses = self._evses(payload["evseId"])
        assignments: dict[str, Payload] = {}
        for number in evses:
            if number in self._defaults:
                tariff = self._defaults[number]
                entry = assignments.setdefault(
                    tariff["tariffId"],
                    {"tariffId": tariff["tariffId"], "tariffKind": "DefaultTariff", "evseIds": []},
                )
                entry["evseIds"].append(number)
        for number in evses:
            running = self._station.outlets[number].transaction
            if running is not None and running.transaction_id in self._drivers:
                name = self._drivers[running.transaction_id]["tariffId"]
                entry = {"tariffId": name, "tariffKind": "DriverTariff", "evseIds": [number]}
                if running.token is not None:
                    entry["idTokens"] = [running.token.value]
                assignments[name] = entry
        if not assignments:
            return {"status": "NoTariff"}, None
        return {"status": "Accepted", "tariffAssignments": list(assignments.values())}, None

    def _clear_tariffs(self, payload: Payload) -> Answer:
        evses = self._evses(payload.get("evseId", 0))
        there = {
            number: one["tariffId"] for number, one in self._defaults.items() if number in evses
        }
        wanted = payload.get("tariffIds", sorted(set(there.values())))
        results: list[Payload] = []
        for name in wanted:
            gone = [number for number, one in there.items() if one == name]
            for number in gone:
                del self._defaults[number]
            results.append({"tariffId": name, "status": "Accepted" if gone else "NoTariff"})
        return {"clearTariffsResult": results or [{"status": "NoTariff"}]}, None

    def _change_tariff(self, payload: Payload) -> Answer:
        outlet, tariff = self._running(payload["transactionId"]), payload["tariff"]
        if outlet is None:
            return {"status": "TxNotFound"}, None
        before = self._drivers.get(payload["transactionId"]) or self._defaults.get(outlet.number)
        if before is not None and before["currency"] != tariff["currency"]:
            return {"status": "NoCurrencyChange"}, None
        self._drivers[payload["transactionId"]] = tariff

        async def tell() -> None:
            outlet.tell("TariffChanged", info={"tariffId": tariff["tariffId"]})

        return {"status": "Accepted"}, tell
