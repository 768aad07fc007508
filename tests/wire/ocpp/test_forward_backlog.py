"""What waits for a second central system: its order, its bounds, and what goes first."""

from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp.forward import relay as relay_module
from custom_components.forecourt.stations.ocpp.forward.backlog import (
    MAX_MESSAGES,
    Backlog,
    Message,
    Worth,
)
from custom_components.forecourt.stations.ocpp.forward.memory import MAX_PLACES, Memory
from custom_components.forecourt.stations.ocpp.forward.relay import Counts, Relay

from .backend import Backend

MOVES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(Worth), st.integers(0, 40)),
        st.sampled_from(["take", "put back", "discard"]),
    ),
    max_size=60,
)


@given(MOVES)
def test_it_is_a_queue_that_is_never_too_long(moves: list[Any]) -> None:
    backlog = Backlog(max_messages=8, max_bytes=120)
    model: list[Message] = []
    taken: Message | None = None
    for move in moves:
        gone: list[Message] = []
        match move:
            case "take":
                taken = backlog.take()
                assert taken == (model.pop(0) if model else None)
            case "put back":
                if taken is None:
                    continue
                model.insert(0, taken)
                gone = backlog.put_back(taken)
                taken = None
            case "discard":
                backlog.discard("NOTICE")
                model = [one for one in model if one.action != "NOTICE"]
            case (worth, size):
                message = Message(worth.name, b"x" * size, worth)
                gone = backlog.add(message)
                model.append(message)
        for one in gone:
            # Of what is worth least, the oldest.
            assert one is min(model, key=lambda message: (message.worth, message.number))
            model.remove(one)
        assert len(backlog) == len(model) <= 8
        assert backlog._bytes == sum(len(one.content) for one in model) <= 120
    assert [backlog.take() for _ in model] == model
    assert not backlog


def start(relay: Relay, ours: int) -> None:
    relay.note("StartTransaction", {"connectorId": 1, "idTag": "X"}, {"transactionId": ours})


def test_a_start_that_had_to_go_takes_its_end_with_it() -> None:
    counts = Counts()
    relay = Relay(counts)
    relay.backlog = Backlog(max_messages=2)
    for ours in (1, 2, 3):
        start(relay, ours)
    assert counts.dropped == 1
    relay.note("StopTransaction", {"transactionId": 2}, {})
    target = Backend().target()
    told = []
    while (message := relay.backlog.take()) is not None:
        if relay.told(message, target) is not None:
            told.append(message.transaction_id)
            relay.answered(message, {"transactionId": 70 + len(told)})
    # Two starts were left, then one start and an end without one.
    assert told == [3]
    assert counts.dropped == 3


def test_only_so_many_transactions_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "MAX_TRANSACTIONS", 2)
    relay = Relay(Counts())
    for ours in (1, 2, 3):
        start(relay, ours)
    assert list(relay._transactions) == [2, 3]


def test_a_thousand_wait_and_no_more() -> None:
    counts = Counts()
    relay = Relay(counts)
    for _ in range(MAX_MESSAGES + 5):
        relay.note("MeterValues", {"connectorId": 1, "meterValue": []}, {})
    assert (len(relay.backlog), counts.dropped) == (MAX_MESSAGES, 5)


def test_many_large_ones_are_fewer() -> None:
    counts = Counts()
    relay = Relay(counts)
    for _ in range(20):
        relay.note("DataTransfer", {"vendorId": "V", "data": "x" * 500_000}, {})
    assert (len(relay.backlog), counts.dropped) == (8, 12)


def test_what_is_too_deep_is_left_out() -> None:
    counts = Counts()
    relay = Relay(counts)
    deep: Any = {}
    for _ in range(300):
        deep = {"customData": deep}
    relay.note("StatusNotification", deep, {})
    assert (len(relay.backlog), counts.dropped) == (0, 1)


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1"])
def test_a_boot_of_another_version_is_forgotten(subprotocol: str) -> None:
    memory = Memory()
    memory.note("BootNotification", {"chargingStation": {}}, {})
    memory.forget(subprotocol)
    assert (memory.boot is None) is (subprotocol == "ocpp1.6")
    memory.note("BootNotification", {"chargePointModel": "Box"}, {})
    memory.forget(subprotocol)
    assert (memory.boot is None) is (subprotocol != "ocpp1.6")


def test_only_so_many_places_are_remembered() -> None:
    memory = Memory()
    for connector in range(MAX_PLACES + 5):
        memory.note("StatusNotification", {"evseId": 1, "connectorId": connector}, {})
    memory.note("StatusNotification", {"evseId": 1, "connectorId": 0, "again": True}, {})
    assert len(memory.last("StatusNotification")) == MAX_PLACES
    assert memory.last("StatusNotification", 1)[0]["again"]
    assert memory.last("StatusNotification", 2) == []
    memory.forget("ocpp2.0.1")
    assert memory.last("StatusNotification") == []
