"""What the site wants of a station of OCPP 2.0.1, on the wire and back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
import json
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reservation import Reservation
from custom_components.forecourt.core.model.token import Token, TokenKind
from custom_components.forecourt.stations.base import (
    CanForgetTokens,
    CanRefresh,
    CanReserve,
    CanReset,
    CanSetAvailability,
    CanShowCost,
    CanStart,
    CanStop,
    CanUnlock,
    Failure,
    StationError,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.schema import CALL, Schemas
from custom_components.forecourt.stations.ocpp.v21.orders import ASKED21, CALLS21
from custom_components.forecourt.stations.ocpp.v201 import V201
from custom_components.forecourt.stations.ocpp.v201.device_model import Key
from custom_components.forecourt.stations.ocpp.v201.orders import (
    ASKED,
    CALLS,
    Orders,
    local_list_payload,
)
from tests.wire.ocpp.peer import ACCEPTED, Payload

from .inventory import ModelPeer, Var, right
from .peer import Books, Peer201

EVSE = EvseId("CP1", 1)
TAG = Token("04AABBCCDD")
UNTIL = datetime(2026, 5, 1, 18, 30, tzinfo=UTC)
HELD = Reservation(id=5, evse=EVSE, token=TAG, until=UNTIL)
SCHEMAS = {"2.0.1": Schemas("2.0.1"), "2.1": Schemas("2.1")}


@pytest.fixture
def orders(station: OcppStation, peer: Peer201) -> Orders:
    """Return the line to the peer; its transaction 7 is called T7."""
    station.references[7] = "T7"
    line = station._line
    assert isinstance(line, Orders)
    return line


ORDERS: dict[type, tuple[Callable[[Orders], Awaitable[None]], str]] = {
    CanStart: (lambda o: o.start(EVSE, TAG), "RequestStartTransaction"),
    CanStop: (lambda o: o.stop(7), "RequestStopTransaction"),
    CanUnlock: (lambda o: o.unlock(EVSE), "UnlockConnector"),
    CanReset: (lambda o: o.reset(), "Reset"),
    CanSetAvailability: (lambda o: o.set_available(EVSE, available=False), "ChangeAvailability"),
    CanRefresh: (lambda o: o.refresh(EVSE), "TriggerMessage"),
    CanReserve: (lambda o: o.reserve(HELD), "ReserveNow"),
    CanForgetTokens: (lambda o: o.forget_cached_tokens(), "ClearCache"),
    CanShowCost: (lambda o: o.show_cost(7, Decimal("1.23")), "CostUpdated"),
}
# The station has no word to refuse this one with.
REFUSABLE = [capability for capability in ORDERS if capability is not CanShowCost]


@pytest.mark.parametrize(
    ("capability", "payload", "answer"),
    [
        (CanStop, {"transactionId": "T7"}, "Accepted"),
        (CanUnlock, {"evseId": 1, "connectorId": 1}, "Unlocked"),
        (CanReset, {"type": "Immediate"}, "Accepted"),
        (CanReset, {"type": "Immediate"}, "Scheduled"),
        (CanSetAvailability, {"evse": {"id": 1}, "operationalStatus": "Inoperative"}, "Accepted"),
        (CanSetAvailability, {"evse": {"id": 1}, "operationalStatus": "Inoperative"}, "Scheduled"),
        (
            CanReserve,
            {
                "id": 5,
                "expiryDateTime": "2026-05-01T18:30:00Z",
                "idToken": {"idToken": "04AABBCCDD", "type": "ISO14443"},
                "evseId": 1,
            },
            "Accepted",
        ),
        (CanForgetTokens, {}, "Accepted"),
    ],
)
async def test_an_order_goes_out_as_its_message(
    orders: Orders, peer: Peer201, capability: type, payload: Any, answer: str
) -> None:
    order, action = ORDERS[capability]
    peer.answers[action] = {"status": answer}
    await order(orders)
    assert peer.calls(action) == [payload]


async def test_each_start_from_afar_can_be_told_from_the_others(
    orders: Orders, peer: Peer201
) -> None:
    for _ in range(3):
        await orders.start(EVSE, TAG)
    told = peer.calls("RequestStartTransaction")
    assert len({payload.pop("remoteStartId") for payload in told}) == 3
    token = {"idToken": "04AABBCCDD", "type": "ISO14443"}
    assert told == [{"evseId": 1, "idToken": token}] * 3


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (TokenKind.CARD, "ISO14443"),
        (TokenKind.CARD_15693, "ISO15693"),
        (TokenKind.KEY_CODE, "KeyCode"),
        (TokenKind.MAC_ADDRESS, "MacAddress"),
        (TokenKind.CONTRACT, "eMAID"),
        (TokenKind.CENTRAL, "Central"),
        (TokenKind.LOCAL, "Local"),
    ],
)
async def test_a_token_is_told_with_its_kind(
    orders: Orders, peer: Peer201, kind: TokenKind, name: str
) -> None:
    await orders.start(EVSE, Token("AB", kind))
    assert peer.calls("RequestStartTransaction")[0]["idToken"]["type"] == name


async def test_the_name_of_a_transaction_may_be_known_to_the_ledger_only(
    orders: Orders, peer: Peer201, site: Books
) -> None:
    site.references["T9"] = 9
    await orders.stop(9)
    await orders.show_cost(9, Decimal(2))
    assert peer.calls("RequestStopTransaction") == [{"transactionId": "T9"}]
    assert peer.calls("CostUpdated") == [{"totalCost": 2.0, "transactionId": "T9"}]


async def test_a_transaction_without_a_name_cannot_be_ordered_about(
    orders: Orders, peer: Peer201
) -> None:
    with pytest.raises(StationError) as caught:
        await orders.stop(8)
    assert caught.value.failure is Failure.REFUSED
    assert caught.value.detail == "the station has no such transaction"
    assert not peer.asked


async def test_an_outlet_can_be_opened_again(orders: Orders, peer: Peer201) -> None:
    await orders.set_available(EVSE, available=True)
    told = {"evse": {"id": 1}, "operationalStatus": "Operative"}
    assert peer.calls("ChangeAvailability") == [told]


async def test_a_reservation_may_be_for_a_group_and_end(orders: Orders, peer: Peer201) -> None:
    held = Reservation(id=5, evse=EVSE, token=TAG, until=UNTIL, group="family")
    await orders.reserve(held)
    group = peer.calls("ReserveNow")[0]["groupIdToken"]
    assert group["type"] == "Central"
    assert len(group["idToken"]) == 20
    await orders.cancel_reservation(5)
    assert peer.calls("CancelReservation") == [{"reservationId": 5}]
    peer.answers["CancelReservation"] = {"status": "Rejected"}
    with pytest.raises(StationError) as caught:
        await orders.cancel_reservation(5)
    assert caught.value.detail == "Rejected"


@pytest.mark.parametrize(
    ("cost", "text"), [("1.234", "1.234"), ("0.1", "0.1"), ("12", "12.0"), ("-0.05", "-0.05")]
)
async def test_a_cost_is_told_as_it_is(orders: Orders, peer: Peer201, cost: str, text: str) -> None:
    await orders.show_cost(7, Decimal(cost))
    frame = next(frame for frame in peer.frames if '"CostUpdated"' in frame)
    assert json.loads(frame, parse_float=str)[3]["totalCost"] == text


# Asking for news


def triggers(peer: Peer201) -> list[tuple[str, Payload | None]]:
    return [(told["requestedMessage"], told.get("evse")) for told in peer.calls("TriggerMessage")]


async def test_a_refresh_asks_for_status_and_values(
    orders: Orders, peer: Peer201, station: OcppStation
) -> None:
    await orders.refresh(EVSE)
    assert triggers(peer) == [
        ("StatusNotification", {"id": 1, "connectorId": 1}),
        ("MeterValues", {"id": 1}),
    ]
    peer.asked.clear()
    station.transactions[1] = 7
    await orders.refresh(EVSE)
    assert triggers(peer)[2:] == [("TransactionEvent", {"id": 1})]


async def test_a_refresh_asks_for_every_plug(central: CentralSystem, station: OcppStation) -> None:
    plugs = {Key("Connector", "Available", evse=1, connector=n): Var("true") for n in (1, 2)}
    async with ModelPeer(central, right() | plugs) as peer:
        await peer.met()
        peer.asked.clear()
        await station.refresh(EVSE)
        assert [evse for message, evse in triggers(peer) if message == "StatusNotification"] == [
            {"id": 1, "connectorId": 1},
            {"id": 1, "connectorId": 2},
        ]


async def test_some_stations_tell_their_status_but_no_values(
    orders: Orders, peer: Peer201, station: OcppStation
) -> None:
    def status_only(payload: Any) -> Any:
        known = payload["requestedMessage"] == "StatusNotification"
        return {"status": "Accepted" if known else "NotImplemented"}

    peer.answers["TriggerMessage"] = status_only
    await orders.refresh(EVSE)
    assert station.supports(CanRefresh)
    peer.answers["TriggerMessage"] = lambda p: (
        status_only(p) if "Status" in p["requestedMessage"] else {"status": "Rejected"}
    )
    with pytest.raises(StationError):
        await orders.refresh(EVSE)


@pytest.mark.parametrize("capability", REFUSABLE)
async def test_a_refusal_has_the_words_of_the_station(
    orders: Orders, peer: Peer201, capability: type
) -> None:
    order, action = ORDERS[capability]
    word = "OngoingAuthorizedTransaction" if capability is CanUnlock else "Rejected"
    peer.answers[action] = {
        "status": word,
        "statusInfo": {"reasonCode": "NoIdea", "additionalInfo": "because\nof " + "x" * 300},
    }
    with pytest.raises(StationError) as caught:
        await order(orders)
    assert caught.value.failure is Failure.REFUSED
    assert caught.value.detail.startswith(f"{word} (NoIdea: because�of xxx")
    assert len(caught.value.detail) < 200
    assert capability not in orders._station.lacks


@pytest.mark.parametrize("status", ["UnlockFailed", "UnknownConnector"])
async def test_a_socket_that_stays_locked_is_told(
    orders: Orders, peer: Peer201, status: str
) -> None:
    peer.answers["UnlockConnector"] = {"status": status}
    with pytest.raises(StationError) as caught:
        await orders.unlock(EVSE)
    assert caught.value.detail == status


@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_an_outlet_that_cannot_be_held_says_why(
    orders: Orders, peer: Peer201, status: str
) -> None:
    peer.answers["ReserveNow"] = {"status": status, "statusInfo": {"reasonCode": ""}}
    with pytest.raises(StationError) as caught:
        await orders.reserve(HELD)
    assert caught.value.detail == status


@pytest.mark.parametrize("words", ["unknown card 04aabbccdd", "04AABBCCDD"])
async def test_a_card_is_not_repeated_by_an_error(
    orders: Orders, peer: Peer201, words: str
) -> None:
    info = {"reasonCode": "Unknown", "additionalInfo": words}
    peer.answers["RequestStartTransaction"] = {"status": "Rejected", "statusInfo": info}
    with pytest.raises(StationError) as caught:
        await orders.start(EVSE, TAG)
    assert caught.value.detail == "Rejected"


@pytest.mark.parametrize("capability", ORDERS)
@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
async def test_what_a_station_does_not_know_is_not_supported(
    orders: Orders, peer: Peer201, capability: type, code: str
) -> None:
    order, action = ORDERS[capability]
    peer.answers[action] = code
    with pytest.raises(StationError) as caught:
        await order(orders)
    assert (caught.value.failure, caught.value.detail) == (Failure.NOT_SUPPORTED, code)
    assert capability in orders._station.lacks


@pytest.mark.parametrize("capability", ORDERS)
async def test_a_deaf_station_times_out(orders: Orders, peer: Peer201, capability: type) -> None:
    order, action = ORDERS[capability]
    peer.impatient()
    peer.answers[action] = None
    with pytest.raises(StationError) as caught:
        await order(orders)
    assert caught.value.failure is Failure.TIMEOUT


async def test_a_reset_may_just_end_the_connection(
    orders: Orders, peer: Peer201, station: OcppStation
) -> None:
    peer.answers["Reset"] = lambda _: peer.ws._conn.transport.abort()  # type: ignore[union-attr]
    await orders.reset()
    assert not station.online
    with pytest.raises(StationError) as caught:
        await orders.unlock(EVSE)
    assert caught.value.failure is Failure.OFFLINE


async def test_a_token_that_no_station_could_take_is_not_sent(
    orders: Orders, peer: Peer201
) -> None:
    for order in (
        orders.start(EVSE, Token("F" * 37)),
        orders.reserve(Reservation(id=5, evse=EVSE, token=Token("F" * 37), until=UNTIL)),
    ):
        with pytest.raises(StationError) as caught:
            await order
        assert caught.value.failure is Failure.REFUSED
        assert "FFF" not in str(caught.value)
    assert not peer.asked


# What somebody who knows OCPP wants


async def test_any_call_of_a_central_system_can_be_made(orders: Orders, peer: Peer201) -> None:
    answer = {"status": "Accepted", "filename": "log.txt"}
    peer.answers["GetLog"] = answer
    payload = {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://x/y"}}
    assert await orders.call("GetLog", payload) == answer
    assert peer.calls("GetLog") == [payload]


@pytest.mark.parametrize("action", ["Heartbeat", "TransactionEvent", "../x", ""])
async def test_what_is_no_call_of_a_central_system_is_not_made(
    orders: Orders, peer: Peer201, action: str
) -> None:
    with pytest.raises(StationError) as caught:
        await orders.call(action, {})
    assert caught.value.failure is Failure.NOT_SUPPORTED
    assert not peer.asked


async def test_a_call_that_does_not_fit_says_what_is_wrong(orders: Orders, peer: Peer201) -> None:
    for payload, detail in (
        ({}, "OccurenceConstraintViolation: evseId, connectorId"),
        ({"evseId": "1", "connectorId": 1}, "TypeConstraintViolation: evseId"),
    ):
        with pytest.raises(StationError) as caught:
            await orders.call("UnlockConnector", payload)
        assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, detail)
    assert not peer.asked


async def test_a_call_has_the_code_of_its_refusal(orders: Orders, peer: Peer201) -> None:
    peer.answers["ClearCache"] = "InternalError"
    with pytest.raises(StationError) as caught:
        await orders.call("ClearCache", {})
    assert caught.value.detail == "InternalError (no)"


@pytest.mark.parametrize(
    ("version", "asked", "calls"), [("2.0.1", ASKED, CALLS), ("2.1", ASKED21, CALLS21)]
)
def test_every_call_is_one_of_the_version(version: str, asked: Any, calls: Any) -> None:
    SCHEMAS[version].preload(calls, calls)
    assert set(asked) <= calls


def test_what_is_asked_for_by_itself_fits() -> None:
    for message in ("StatusNotification", "MeterValues", "TransactionEvent", "BootNotification"):
        for evse in (None, 1):
            SCHEMAS["2.0.1"].check(CALL, "TriggerMessage", V201.trigger_payload(message, evse))


def test_a_list_of_tokens_fits() -> None:
    entries = [(TAG, ACCEPTED), (Token("AB", TokenKind.CENTRAL), None)]
    payload = local_list_payload(3, "Differential", entries)
    assert payload["updateType"] == "Differential"
    assert payload["localAuthorizationList"][1] == {"idToken": {"idToken": "AB", "type": "Central"}}
    assert payload["localAuthorizationList"][0]["idTokenInfo"]["status"] == "Accepted"
    empty = local_list_payload(4, "Full", [])
    assert empty == {"versionNumber": 4, "updateType": "Full"}
    for schemas in SCHEMAS.values():
        schemas.check(CALL, "SendLocalList", payload)
        schemas.check(CALL, "SendLocalList", empty)


async def test_orders_do_not_wait_for_what_the_station_tells(
    orders: Orders, peer: Peer201, site: Books
) -> None:
    """An order from within an event must not wait for that event's own end."""
    site.released.clear()
    told = asyncio.create_task(peer.told("Authorize", idToken={"idToken": "A", "type": "Local"}))
    await orders.set_available(EVSE, available=True)
    assert not told.done()
    site.released.set()
    await told
