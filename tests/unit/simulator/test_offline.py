"""What has happened reaches the server in order, whatever the connection does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator import ManualClock, Ocpp16Station
from simulator.clock import parse_time

from .conftest import Dial
from .server import ID, Server

TRANSACTION = ("StartTransaction", "MeterValues", "StopTransaction")
EVERY_SECOND = {"MeterValueSampleInterval": "1"}


def delivered(server: Server) -> list[str]:
    return [action for action, _ in server.received if action in TRANSACTION]


async def charge(station: Ocpp16Station, clock: ManualClock, seconds: float = 0) -> None:
    await station.plug(1, "family")
    assert await station.tap("04AA") == "started"
    await clock.advance(seconds)


async def test_a_whole_charge_offline_is_replayed_in_order(server: Server, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    server.now = clock.utc
    station = await dial(clock=clock, tick_s=1.0, settings=EVERY_SECOND)
    assert await station.tap("04AA") == "waiting"  # now the card is in the cache
    assert await station.tap("04AA") == "cancelled"
    await station.fault("offline")
    await station.wait_for(lambda s: not s.online)
    before = len(server.received)
    await charge(station, clock, 3)
    assert await station.tap("04AA") == "stopped"
    await station.unplug()
    assert len(station.outbox) == 7
    assert len(server.received) == before
    await clock.advance(600)
    await station.fault("online")
    await clock.advance(1)
    await station.wait_for(lambda s: s.ready and not len(s.outbox))

    assert delivered(server) == ["StartTransaction", *["MeterValues"] * 5, "StopTransaction"]
    [start], [stop] = server.calls("StartTransaction"), server.calls("StopTransaction")
    readings = server.calls("MeterValues")
    # The id that the server gave while replaying is in all that follows.
    assert {one["transactionId"] for one in [*readings, stop]} == {7001}
    times = [
        start["timestamp"],
        *(one["meterValue"][0]["timestamp"] for one in readings),
        stop["timestamp"],
    ]
    assert times == sorted(times)
    replayed = clock.utc() - parse_time(times[-1])
    assert 600 <= replayed.total_seconds() < 660
    assert {one.state for one in station.books.readings} == {"confirmed"}


async def test_an_answer_that_got_lost_brings_the_message_again(server: Server, dial: Dial) -> None:
    station = await dial()
    server.answers["StartTransaction"] = lambda _: None
    await station.plug(1, "family")
    await station.tap("04AA")
    await station.wait_for(lambda _: server.calls("StartTransaction"))
    [first_id] = server.ids[-1:]
    await station.fault("drop", reset=True)
    del server.answers["StartTransaction"]
    await station.wait_for(lambda s: not len(s.outbox))
    first, second = server.calls("StartTransaction")
    assert first == second
    ids = [
        message_id
        for message_id, (action, _) in zip(server.ids, server.received, strict=True)
        if action == "StartTransaction"
    ]
    assert len(set(ids)) == 2
    assert first_id in ids
    assert station.connector(1).transaction.transaction_id == 7001


async def test_a_message_that_the_server_fails_on_is_tried_again_ever_later(
    server: Server, dial: Dial
) -> None:
    clock = ManualClock()
    station = await dial(clock=clock, tick_s=1.0, settings={
        "TransactionMessageAttempts": "3",
        "TransactionMessageRetryInterval": "10",
    })  # fmt: skip
    server.answers["StartTransaction"] = lambda _: [4, ID, "InternalError", "", {}]
    await charge(station, clock)
    for failures, seconds in ((1, 9), (1, 2), (2, 18), (2, 3)):
        await station.wait_for(lambda s, count=failures: s.outbox.failures == count)
        await server.call("ClearCache", {})  # whatever was to come by now has come
        assert len(server.calls("StartTransaction")) == failures
        await clock.advance(seconds)
    # Given up: what follows must do without a transaction id.
    await station.wait_for(lambda s: not len(s.outbox))
    assert await station.tap("04AA") == "stopped"
    await station.wait_for(lambda s: not len(s.outbox))
    assert len(server.calls("StartTransaction")) == 3
    assert all("transactionId" not in one for one in server.calls("MeterValues"))
    assert server.calls("StopTransaction")[0]["transactionId"] == -1
    [note] = [note for note in station.books.notes if note["event"] == "gave_up"]
    assert note["action"] == "StartTransaction"
    assert not station.books.transactions[0].start_delivered


async def test_a_silent_server_costs_attempts_too_and_readings_get_lost(
    server: Server, dial: Dial
) -> None:
    settings = {"TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "0"}
    station = await dial(call_timeout_s=0.03, settings=settings)
    server.answers["MeterValues"] = lambda _: None
    await station.plug(1, "family")
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    assert len(server.calls("MeterValues")) == 2
    assert [one.state for one in station.books.readings] == ["lost"]
    assert station.books.violations_of("no_answer") == 2


async def test_it_keeps_on_charging_and_queueing_without_a_server(
    server: Server, dial: Dial
) -> None:
    clock = ManualClock(speed=60)
    station = await dial(clock=clock, tick_s=0.5, settings=EVERY_SECOND)
    await charge(station, clock, 2)
    await server.stop()
    register = station.connector(1).evse.register_wh
    await clock.advance(5)
    assert station.connector(1).status == "Charging"
    assert station.connector(1).evse.register_wh > register + 800
    assert len(station.outbox) >= 4
    await server.start()
    await clock.advance(1)
    await station.wait_for(lambda s: s.ready and not len(s.outbox))
    assert {one.state for one in station.books.readings} == {"confirmed"}


@pytest.mark.parametrize(
    ("settings", "card", "result"),
    [
        ({}, "known", "started"),
        ({"LocalAuthorizeOffline": "false"}, "known", "refused"),
        ({"AuthorizationCacheEnabled": "false"}, "known", "refused"),
        ({}, "listed", "started"),
        ({"LocalAuthListEnabled": "false"}, "listed", "refused"),
        ({}, "blocked", "refused"),
        ({"AllowOfflineTxForUnknownId": "true"}, "blocked", "refused"),
        ({}, "expired", "refused"),
        ({}, "stranger", "refused"),
        ({"AllowOfflineTxForUnknownId": "true"}, "stranger", "started"),
    ],
)
async def test_who_may_charge_offline(
    server: Server, dial: Dial, settings: dict[str, str], card: str, result: str
) -> None:
    server.tags["blocked"] = {"status": "Blocked"}
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    server.tags["expired"] = {"status": "Accepted", "expiryDate": yesterday}
    station = await dial(settings=settings)
    for seen in ("known", "blocked", "expired"):
        await station.tap(seen)
        await station.tap(seen)
    if settings.get("LocalAuthListEnabled") != "false":
        entry = {"idTag": "LISTED", "idTagInfo": {"status": "Accepted"}}
        await server.call(
            "SendLocalList",
            {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]},
        )
    await station.fault("offline")
    await station.plug(1, "family")
    station.connector(1).grant = None
    assert await station.tap(card) == result


async def test_a_server_that_refuses_the_tag_afterwards(server: Server, dial: Dial) -> None:
    station = await dial(settings={"AllowOfflineTxForUnknownId": "true"})
    server.tags["04AA"] = {"status": "Invalid"}
    await station.fault("offline", seconds=0.05)
    await station.plug(1, "family")
    assert await station.tap("04AA") == "started"
    await station.wait_for(lambda _: server.calls("StopTransaction"))
    assert server.calls("StopTransaction")[0]["reason"] == "DeAuthorized"
    await station.wait_for(lambda s: not len(s.outbox))
    assert station.books.transactions[0].start_status == "Invalid"
    assert [line["card"] for line in station.books.refused] == ["04AA"]
    # The cache knows it now.
    await station.fault("offline")
    assert await station.tap("04AA") == "refused"


async def test_a_refused_tag_may_keep_its_transaction_without_energy(
    server: Server, dial: Dial
) -> None:
    settings = {"AllowOfflineTxForUnknownId": "true", "StopTransactionOnInvalidId": "false"}
    station = await dial(speed=60, settings=settings)
    server.tags["04AA"] = {"status": "ConcurrentTx"}
    await station.fault("offline", seconds=0.05)
    await station.plug(1, "family")
    await station.tap("04AA")
    await station.wait_for(lambda _: server.status() == "SuspendedEVSE")
    assert server.calls("StopTransaction") == []
    assert station.connector(1).evse.offer_a == 0


async def test_a_refusal_that_comes_after_the_end_changes_nothing(
    server: Server, dial: Dial
) -> None:
    station = await dial(settings={"AllowOfflineTxForUnknownId": "true"})
    server.tags["04AA"] = {"status": "Invalid"}
    server.answers["StopTransaction"] = lambda _: {"idTagInfo": {"status": "Invalid"}}
    await station.fault("offline")
    await station.plug(1, "family")
    await station.tap("04AA")
    assert await station.tap("04AA") == "stopped"
    await station.fault("online")
    await station.wait_for(lambda s: s.ready and not len(s.outbox))
    assert [one["reason"] for one in server.calls("StopTransaction")] == ["Local"]


async def test_a_status_that_was_not_delivered_is_told_again(server: Server, dial: Dial) -> None:
    station = await dial()
    await station.wait_for(lambda _: server.statuses() == ["Available"])
    server.answers["StatusNotification"] = lambda _: None
    await station.plug(1, "family")
    await station.wait_for(lambda _: server.status() == "Preparing")
    del server.answers["StatusNotification"]
    await station.fault("drop")
    await station.wait_for(lambda _: server.statuses()[1:] == ["Preparing", "Preparing"])


async def test_a_status_that_the_server_fails_on_is_not_insisted_upon(
    server: Server, dial: Dial
) -> None:
    station = await dial()
    answer: Any = [4, ID, "InternalError", "", {}]
    server.answers["StatusNotification"] = lambda _: answer
    await station.plug(1, "family")
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "status_failed")
    del server.answers["StatusNotification"]
    await station.unplug()
    await station.wait_for(lambda _: server.status() == "Available")
