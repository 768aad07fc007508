"""The price that a station of OCPP 2.1 shows, on the wire and back."""

from collections.abc import AsyncIterator
from decimal import Decimal
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import CanShowPrice, Failure, StationError
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.schema import CALL, CALL_RESULT, Schemas
from custom_components.forecourt.stations.ocpp.v21 import tariffs
from custom_components.forecourt.stations.ocpp.v21.orders import Orders21
from tests.wire.ocpp.peer import Payload

from .peer import Peer201

PRICE, OTHER = Decimal("0.3190"), Decimal("0.25")
ID, OTHER_ID = "forecourt-EUR-0.319", "forecourt-EUR-0.25"
SCHEMAS = Schemas("2.1")
PRICES = st.decimals(-10, 1000, allow_nan=False, allow_infinity=False)


class PricePeer(Peer201):
    """Has `shown`, the id of the tariff of each EVSE; refuses those of the EVSEs `refused`."""

    def __init__(self, central: CentralSystem, evses: int = 2) -> None:
        super().__init__(central, protocol="ocpp2.1")
        self.shown: dict[int, str] = {}
        self.refused: dict[int, str] = {}
        self._evses = evses
        self.answers |= {
            "GetTariffs": self._tell,
            "SetDefaultTariff": self._show,
            "ClearTariffs": self._clear,
        }

    def _tell(self, payload: Payload) -> Payload:
        if not self.shown:
            return {"status": "NoTariff"}
        told = [
            {"tariffId": name, "tariffKind": "DefaultTariff", "evseIds": [evse]}
            for evse, name in self.shown.items()
        ]
        return {"status": "Accepted", "tariffAssignments": told}

    def _show(self, payload: Payload) -> Payload:
        evse = payload["evseId"]
        if evse in self.refused:
            info = {"reasonCode": "NoPrice", "additionalInfo": "not here"}
            return {"status": self.refused[evse], "statusInfo": info}
        for one in range(1, self._evses + 1) if evse == 0 else (evse,):
            self.shown[one] = payload["tariff"]["tariffId"]
        return {"status": "Accepted"}

    def _clear(self, payload: Payload) -> Payload:
        results = []
        for name in payload["tariffIds"]:
            there = name in self.shown.values()
            self.shown = {evse: one for evse, one in self.shown.items() if one != name}
            results.append({"tariffId": name, "status": "Accepted" if there else "NoTariff"})
        return {"clearTariffsResult": results}

    @property
    def set_on(self) -> list[tuple[int, str]]:
        """Which tariffs it was told to show, and where."""
        return [
            (told["evseId"], told["tariff"]["tariffId"]) for told in self.calls("SetDefaultTariff")
        ]


@pytest.fixture
def station(central: CentralSystem) -> OcppStation:
    return central.add_station("CP1", evses=2)


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[PricePeer]:
    async with PricePeer(central) as peer:
        yield await peer.ready()


@pytest.fixture
def orders(station: OcppStation, peer: PricePeer) -> Orders21:
    line = station._line
    assert isinstance(line, Orders21)
    return line


async def test_a_price_is_shown_at_every_outlet(orders: Orders21, peer: PricePeer) -> None:
    await orders.show_price(PRICE, "EUR")
    assert peer.calls("SetDefaultTariff") == [
        {
            "evseId": 0,
            "tariff": {
                "tariffId": ID,
                "description": [{"format": "UTF8", "content": "0.319 EUR/kWh"}],
                "currency": "EUR",
                "energy": {"prices": [{"priceKwh": 0.319}]},
            },
        }
    ]
    frame = next(frame for frame in peer.frames if '"SetDefaultTariff"' in frame)
    told = json.loads(frame, parse_float=str)[3]["tariff"]
    assert told["energy"]["prices"][0]["priceKwh"] == "0.319"


async def test_a_price_that_is_shown_is_not_written_again(
    orders: Orders21, peer: PricePeer
) -> None:
    for price in (PRICE, PRICE, OTHER, OTHER):
        await orders.show_price(price, "EUR")
    assert peer.set_on == [(0, ID), (0, OTHER_ID)]


async def test_only_the_outlet_without_the_price_is_told(orders: Orders21, peer: PricePeer) -> None:
    peer.shown = {1: ID, 2: OTHER_ID}
    await orders.show_price(PRICE, "EUR")
    assert peer.set_on == [(2, ID)]


async def test_a_station_may_want_it_for_each_outlet(orders: Orders21, peer: PricePeer) -> None:
    peer.refused = {0: "Rejected"}
    await orders.show_price(PRICE, "EUR")
    assert peer.set_on == [(0, ID), (1, ID), (2, ID)]
    assert peer.shown == {1: ID, 2: ID}


@pytest.mark.parametrize("status", ["Rejected", "TooManyElements", "ConditionNotSupported"])
async def test_a_refusal_has_the_words_of_the_station(
    orders: Orders21, peer: PricePeer, status: str
) -> None:
    peer.refused = {0: status, 2: status}
    with pytest.raises(StationError) as caught:
        await orders.show_price(PRICE, "EUR")
    assert caught.value.failure is Failure.REFUSED
    assert caught.value.detail == f"{status} (NoPrice: not here)"


async def test_a_tariff_that_the_station_knows_is_shown(orders: Orders21, peer: PricePeer) -> None:
    peer.answers["GetTariffs"] = "NotSupported"
    peer.refused = {0: "DuplicateTariffId"}
    await orders.show_price(PRICE, "EUR")
    assert peer.set_on == [(0, ID)]


async def test_a_station_without_tariffs_does_not_support_it(
    orders: Orders21, peer: PricePeer, station: OcppStation
) -> None:
    peer.answers |= {"GetTariffs": "NotImplemented", "SetDefaultTariff": "NotImplemented"}
    with pytest.raises(StationError) as caught:
        await orders.show_price(PRICE, "EUR")
    assert caught.value.failure is Failure.NOT_SUPPORTED
    assert CanShowPrice in station.lacks


async def test_a_deaf_station_times_out(orders: Orders21, peer: PricePeer) -> None:
    peer.impatient()
    peer.answers["GetTariffs"] = None
    with pytest.raises(StationError) as caught:
        await orders.show_price(PRICE, "EUR")
    assert caught.value.failure is Failure.TIMEOUT
    assert not peer.set_on


@pytest.mark.parametrize("status", ["Accepted", "TxNotFound"])
async def test_what_runs_goes_on_at_the_price(
    orders: Orders21,
    peer: PricePeer,
    station: OcppStation,
    status: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer.answers["ChangeTransactionTariff"] = {"status": status}
    station.transactions[2], station.references[7] = 7, "T7"
    await orders.show_price(PRICE, "EUR")
    (told,) = peer.calls("ChangeTransactionTariff")
    assert (told["transactionId"], told["tariff"]["tariffId"]) == ("T7", ID)
    await orders.show_price(PRICE, "EUR")
    assert len(peer.calls("ChangeTransactionTariff")) == 1
    assert "old price" not in caplog.text


@pytest.mark.parametrize("answer", [{"status": "NoCurrencyChange"}, "NotSupported"])
async def test_what_runs_may_keep_its_price(
    orders: Orders21,
    peer: PricePeer,
    station: OcppStation,
    answer: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer.answers["ChangeTransactionTariff"] = answer
    station.transactions |= {1: 7, 2: 8}
    station.references[7] = "T7"
    await orders.show_price(PRICE, "EUR")
    # The other one has no name that is known.
    assert len(peer.calls("ChangeTransactionTariff")) == 1
    assert caplog.text.count("A charge goes on at the old price") == 2


async def test_a_station_that_leaves_keeps_no_price(
    central: CentralSystem, station: OcppStation, peer: PricePeer
) -> None:
    peer.shown = {1: ID, 2: "someone else's"}
    await central.remove_station("CP1")
    assert peer.calls("ClearTariffs") == [{"tariffIds": [ID]}]
    assert peer.shown == {2: "someone else's"}


@pytest.mark.parametrize(
    "answer", [{"clearTariffsResult": [{"tariffId": ID, "status": "Rejected"}]}, "NotSupported"]
)
async def test_a_price_that_stays_does_not_hold_up_the_removal(
    central: CentralSystem, station: OcppStation, peer: PricePeer, answer: Any
) -> None:
    peer.shown = {1: ID}
    peer.answers["ClearTariffs"] = answer
    await central.remove_station("CP1")
    assert len(peer.calls("ClearTariffs")) == 1


async def test_a_station_without_a_price_of_ours_is_left_alone(
    central: CentralSystem, station: OcppStation, peer: PricePeer
) -> None:
    await central.remove_station("CP1")
    assert not peer.calls("ClearTariffs")


async def test_its_tokens_may_be_longer(orders: Orders21, peer: PricePeer) -> None:
    await orders.start(EvseId("CP1", 1), Token("F" * 255))
    assert len(peer.calls("RequestStartTransaction")) == 1
    with pytest.raises(StationError):
        await orders.start(EvseId("CP1", 1), Token("F" * 256))


async def test_its_own_calls_can_be_made(orders: Orders21, peer: PricePeer) -> None:
    assert await orders.call("GetTariffs", {"evseId": 0}) == {"status": "NoTariff"}


# Pure


@given(PRICES)
def test_every_price_fits_the_schema_and_has_its_own_id(price: Decimal) -> None:
    told = tariffs.tariff(price, "EUR")
    assert Decimal(str(told["energy"]["prices"][0]["priceKwh"])) == round(price, 5)
    assert (told["tariffId"] == ID) == (round(price, 5) == PRICE)
    SCHEMAS.check(CALL, "SetDefaultTariff", tariffs.default_request(0, price, "EUR"))
    SCHEMAS.check(CALL, "ChangeTransactionTariff", tariffs.change_request("T", price, "EUR"))
    SCHEMAS.check(CALL, "ClearTariffs", tariffs.clear_request([told["tariffId"]]))


@pytest.mark.parametrize("price", ["10", "1E+1", "10.000001", "10.0"])
def test_the_same_price_has_the_same_id(price: str) -> None:
    assert tariffs.tariff_id(Decimal(price), "EUR") == "forecourt-EUR-10"


def assignment(kind: str = "DefaultTariff", **more: Any) -> Payload:
    return {"tariffId": ID, "tariffKind": kind, **more}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([assignment()], {1: ID, 2: ID}),
        ([assignment(evseIds=[0])], {1: ID, 2: ID}),
        ([assignment(evseIds=[2])], {2: ID}),
        ([assignment("DriverTariff", idTokens=["AB"])], {}),
    ],
)
def test_a_default_tariff_is_found_where_it_is(told: list[Payload], found: dict[int, str]) -> None:
    answer = {"status": "Accepted", "tariffAssignments": told}
    SCHEMAS.preload((), ("GetTariffs",))
    SCHEMAS.check(CALL_RESULT, "GetTariffs", answer)
    assert tariffs.default_tariffs(answer, 2) == found
    assert tariffs.default_tariffs(answer | {"status": "Rejected"}, 2) == {}


def test_what_was_not_cleared_is_told() -> None:
    statuses = ("Accepted", "NoTariff", "Rejected")
    answer = {"clearTariffsResult": [{"tariffId": one, "status": one} for one in statuses]}
    answer["clearTariffsResult"].append({"status": "Rejected"})
    assert tariffs.refusals(answer) == ["Rejected Rejected", "Rejected"]
