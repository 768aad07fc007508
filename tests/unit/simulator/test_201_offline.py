"""What has happened reaches the server in order, whatever the connection does."""

from __future__ import annotations

from typing import Any

from simulator import ManualClock
from simulator.clock import parse_time

from .csms import Csms
from .server import ID
from .station201 import CARD, EVERY_SECOND, Dial, charging, csms, dial, running_id

__all__ = ["csms", "dial"]


async def test_a_whole_charge_offline_is_replayed_in_order(csms: Csms, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=1.0, variables=EVERY_SECOND)
    assert await station.tap(CARD) == "waiting"  # now the card is in the cache
    assert await station.tap(CARD) == "cancelled"
    await station.fault("offline")
    await station.wait_for(lambda s: not s.online)
    before = len(csms.received)
    await station.plug(1, "family")
    assert await station.tap(CARD) == "started"
    await clock.advance(3)
    assert await station.tap(CARD) == "stopped"
    await station.unplug()
    assert len(csms.received) == before
    await clock.advance(600)
    await station.fault("online")
    await clock.advance(1)
    await station.wait_for(lambda s: s.ready and not len(s.outbox))

    events = csms.events()
    assert all(one["offline"] for one in events)
    assert [one["seqNo"] for one in events] == list(range(len(events)))
    times = [one["timestamp"] for one in events]
    assert times == sorted(times)
    assert (clock.utc() - parse_time(times[-1])).total_seconds() > 600
    # It was away for longer than OfflineThreshold: the state is told although it is the same.
    assert csms.connector_statuses() == ["Available", "Available"]
    assert station.books.violations == []


async def test_a_card_unknown_offline(csms: Csms, dial: Dial) -> None:
    station = await dial()
    await station.fault("offline")
    await station.plug(1, "family")
    assert await station.tap("04EE") == "refused"
    station.variables.set("AuthCtrlr.OfflineTxForUnknownIdEnabled", "true")
    assert await station.tap("04EE") == "started"
    csms.tags["04EE"] = {"status": "Unknown"}
    await station.fault("online")
    await station.wait_for(lambda _: csms.story()[-1:] == [("Ended", "Deauthorized")])


async def test_an_event_that_the_server_fails_on_is_tried_again(csms: Csms, dial: Dial) -> None:
    interval = {"OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "0"}
    failures: list[Any] = []

    def fail(payload: Any) -> Any:
        if payload["eventType"] != "Started" or len(failures) >= 3:
            return {}
        failures.append(payload)
        return [4, ID, "InternalError", "", {}]

    csms.answers["TransactionEvent"] = fail
    station = await dial(variables=interval)
    await station.plug(1, "family")
    await station.tap(CARD)
    await station.tap(CARD)
    await station.wait_for(lambda s: not len(s.outbox))
    assert len(failures) == 3  # MessageAttempts
    assert [line["event"] for line in station.books.notes].count("gave_up") == 1
    assert csms.story()[-1:] == [("Ended", "StopAuthorized")]
    answer = await csms.call("GetTransactionStatus", {})
    assert answer == {"messagesInQueue": False}


async def test_a_lost_answer_is_asked_for_again(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)
    transaction_id = running_id(station)
    csms.answers["TransactionEvent"] = lambda _: None
    await station.tap(CARD)
    await station.wait_for(lambda _: csms.story()[-1:] == [("Ended", "StopAuthorized")])
    status = await csms.call("GetTransactionStatus", {"transactionId": transaction_id})
    assert status == {"ongoingIndicator": False, "messagesInQueue": True}
    await station.fault("drop", reset=True)
    del csms.answers["TransactionEvent"]
    await station.wait_for(lambda s: s.ready and not len(s.outbox))
    ends = [one for one in csms.events() if one["eventType"] == "Ended"]
    assert len(ends) == 2
    assert ends[0] == ends[1]
    status = await csms.call("GetTransactionStatus", {"transactionId": transaction_id})
    assert status == {"ongoingIndicator": False, "messagesInQueue": False}


async def test_power_loss(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)
    await station.fault("power_loss")
    assert await station.tap(CARD) == "ignored"
    assert not station.online
    await station.fault("power_return")
    await station.wait_for(lambda s: s.ready and not len(s.outbox))
    ended = csms.events()[-1]
    assert ended["triggerReason"] == "AbnormalCondition"
    assert ended["transactionInfo"]["stoppedReason"] == "PowerLoss"
    assert ended["offline"] is True
    assert [one["reason"] for one in csms.calls("BootNotification")] == ["PowerUp", "PowerUp"]
