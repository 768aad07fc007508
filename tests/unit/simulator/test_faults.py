"""What goes wrong on command, and that it goes wrong as it does in real stations."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import ManualClock, Ocpp16Station
from simulator.faults import FAULTS, describe
from simulator.garbage import GARBAGE

from .conftest import Dial
from .server import ID, Server
from .test_metering import charging, values


async def started(dial: Dial, **options: Any) -> Ocpp16Station:
    """Return a station with a transaction that the server knows as 7001."""
    station: Ocpp16Station = await dial(**options)
    await station.plug(1, "family")
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    return station


@pytest.mark.parametrize("reset", [False, True])
async def test_drop(server: Server, dial: Dial, reset: bool) -> None:
    station = await dial()
    await station.fault("drop", reset=reset)
    await station.wait_for(lambda _: len(server.paths) == 2)
    await station.wait_for(lambda s: s.ready)
    assert server.close_codes == [1006]


async def test_offline_for_a_while(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    station = await dial(clock=clock, tick_s=1.0)
    await station.fault("offline", seconds=60)
    await station.wait_for(lambda s: not s.online)
    await clock.advance(59)
    assert len(server.paths) == 1
    await clock.advance(2)
    await station.wait_for(lambda s: s.ready)


async def test_offline_while_dialling(server: Server, dial: Dial) -> None:
    server.open.clear()
    station = await dial(ready=False)
    await station.wait_for(lambda _: server.paths)
    await station.fault("offline")
    server.open.set()
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "disconnected")
    assert server.received == []
    await station.fault("online")
    await station.wait_for(lambda s: s.ready)


async def test_a_network_that_is_not_there_without_power(dial: Dial) -> None:
    station = await dial()
    await station.fault("power_loss")
    await station.fault("online")
    assert not station.connection.link
    assert not station.state()["powered"]


async def test_freeze(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    station = await dial(clock=clock, tick_s=1.0, call_timeout_s=0.05)
    await station.wait_for(lambda _: server.status() == "Available")
    await station.fault("freeze", seconds=30)
    await server.ping()
    await server.send([2, "x", "ClearCache", {}])
    await station.plug(1, "family")
    await clock.advance(29)
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "status_failed")
    assert server.pongs == 0
    assert server.status() == "Available"
    await clock.advance(2)
    await station.wait_for(lambda _: [3, "x", {"status": "Accepted"}] in server.frames)
    assert server.pongs == 1
    assert station.books.violations == []
    assert len(server.paths) == 1


async def test_stopping_a_frozen_station_leaves_nothing_behind(server: Server, dial: Dial) -> None:
    station = await dial()
    await station.fault("freeze", seconds=3600)
    await station.plug(1, "family")
    await station.stop()
    assert not station.online


async def test_freezing_in_the_middle_of_a_sentence(server: Server, dial: Dial) -> None:
    station = await dial()
    station.link.freeze()
    assert station.ready
    station.link.thaw()
    assert (await server.call("ClearCache", {}))["status"] == "Accepted"


async def test_reboot(server: Server, dial: Dial) -> None:
    station = await started(dial)
    await station.fault("reboot")
    await station.wait_for(lambda _: len(server.calls("BootNotification")) == 2)
    await station.wait_for(lambda s: not len(s.outbox))
    assert server.calls("StopTransaction")[0]["reason"] == "Reboot"
    await station.wait_for(lambda _: server.status() == "Preparing")


async def test_power_loss(server: Server, dial: Dial) -> None:
    station, clock = await charging(server, dial)
    lost = station.state()["time"]
    await station.fault("power_loss", seconds=600)
    await station.fault("power_loss")  # more of the same
    register = station.connector(1).evse.register_wh
    assert station.connector(1).evse.power_w == 0
    await clock.advance(599)
    await station.wait_for(lambda s: not s.online)
    assert station.connector(1).transaction is not None
    await clock.advance(2)
    await station.fault("power_return")  # it is back already
    await station.wait_for(lambda _: len(server.calls("BootNotification")) == 2)
    await station.wait_for(lambda s: s.ready and not len(s.outbox))
    [stop] = server.calls("StopTransaction")
    assert (stop["reason"], stop["meterStop"]) == ("PowerLoss", register)
    assert stop["timestamp"] == lost


async def test_plugging_out_without_power(server: Server, dial: Dial) -> None:
    station = await started(dial, autostart_tag="HOME")
    await station.fault("power_loss")
    await station.unplug()
    await station.plug(1, "city")
    await station.fault("power_return")
    await station.wait_for(lambda s: s.ready and not len(s.outbox))
    assert [one["reason"] for one in server.calls("StopTransaction")] == ["PowerLoss"]
    assert len(server.calls("StartTransaction")) == 1


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage(server: Server, dial: Dial, kind: str) -> None:
    station = await dial()
    await station.wait_for(lambda _: server.status() == "Available")
    before = len(server.frames)
    await station.fault("garbage", kind=kind)
    await station.wait_for(lambda _: len(server.frames) > before)
    if kind == "oversized":
        assert len(str(server.frames[-1])) > 1_000_000
    # However the server answers that is not held against it.
    for frame in ([4, "-1", "FormationViolation", "", {}], server.frames[-1]):
        if isinstance(frame, list) and frame[:1] == [4]:
            await server.send(frame)
    assert (await server.call("ClearCache", {}))["status"] == "Accepted"
    assert station.books.violations == []


@pytest.mark.parametrize("new_id", [False, True])
async def test_duplicate_of_the_last(server: Server, dial: Dial, new_id: bool) -> None:
    station = await started(dial)
    result = await station.fault("duplicate", action="StartTransaction", new_id=new_id)
    assert result["answer"]["transactionId"] == 7001
    first, second = server.calls("StartTransaction")
    assert first == second
    starts = [
        message_id
        for message_id, (action, _) in zip(server.ids, server.received, strict=True)
        if action == "StartTransaction"
    ]
    assert len(set(starts)) == (2 if new_id else 1)
    assert station.books.violations == []


async def test_a_server_that_gives_a_duplicate_another_id(server: Server, dial: Dial) -> None:
    station = await started(dial)
    server._known.clear()
    await station.fault("duplicate", action="StartTransaction")
    assert [line["kind"] for line in station.books.violations] == ["transaction_id_changed"]


async def test_duplicate_at_once(server: Server, dial: Dial) -> None:
    station = await dial()
    assert await station.fault("duplicate", action="StartTransaction", upcoming=True) == {}
    await station.plug(1, "family")
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    await station.wait_for(lambda _: len(server.calls("StartTransaction")) == 2)
    assert station.connector(1).transaction.transaction_id == 7001
    await server.call("ClearCache", {})
    assert station.books.violations == []


async def test_a_duplicate_may_fail(server: Server, dial: Dial) -> None:
    station = await started(dial)
    server.answers["StartTransaction"] = lambda _: [4, ID, "GenericError", "had that", {}]
    result = await station.fault("duplicate", action="StartTransaction")
    assert result == {"error": "RpcError: GenericError: had that"}
    with pytest.raises(ValueError, match=r"no DataTransfer was sent .* there was \['Authorize'"):
        await station.fault("duplicate", action="DataTransfer")


async def test_a_lost_reading_is_in_the_books_only(server: Server, dial: Dial) -> None:
    station, clock = await charging(server, dial, settings={"MeterValueSampleInterval": "10"})
    await station.fault("lose_reading", count=2)
    await clock.advance(30)
    await station.wait_for(lambda s: not len(s.outbox))
    assert [one.state for one in station.books.readings] == [
        *("confirmed", "lost", "lost", "confirmed")
    ]
    assert len(server.calls("MeterValues")) == 2


async def test_a_skewed_clock(server: Server, dial: Dial) -> None:
    station = await dial()
    await station.fault("skew_clock", seconds=-90 * 24 * 3600)
    await server.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await station.plug(1, "family")
    await station.tap("04AA")
    await station.wait_for(lambda _: server.calls("StartTransaction"))
    stamp = server.calls("StartTransaction")[0]["timestamp"]
    assert (server.now() - station.time.now()).days == 90
    assert stamp[:10] < server.now().isoformat()[:10]


async def test_register_faults(server: Server, dial: Dial) -> None:
    settings = {"MeterValueSampleInterval": "10"}
    station, clock = await charging(server, dial, settings=settings, register_wh=1000)
    await station.fault("register_zero")
    await clock.advance(10)
    await station.fault("session_register")
    await clock.advance(10)
    await station.fault("session_register", on=False)
    await clock.advance(10)
    await station.wait_for(lambda _: len(server.calls("MeterValues")) == 4)
    truth = [one.register_wh for one in station.books.readings]
    shown = [int(values(one)[0]) for one in server.calls("MeterValues")]
    assert shown == [1000, 0, truth[2] - 1000, truth[3]]
    assert [one.reported_wh for one in station.books.readings] == shown


async def test_a_meter_is_replaced(server: Server, dial: Dial) -> None:
    station, clock = await charging(server, dial)
    before = station.connector(1).evse.delivered_wh
    await station.fault("replace_meter", register_wh=7)
    await clock.advance(10)
    await station.unplug()
    await station.wait_for(lambda s: not len(s.outbox))
    [stop] = server.calls("StopTransaction")
    assert stop["meterStop"] < 10_000
    energy = station.books.plug_ins[0].energy_wh
    assert energy == pytest.approx(stop["meterStop"] - 7 + before, abs=2)


async def test_a_broken_connector(server: Server, dial: Dial) -> None:
    station = await started(dial)
    await station.fault("connector_error", error_code="OverCurrentFailure")
    await station.wait_for(lambda _: server.status() == "Faulted")
    assert server.calls("StatusNotification")[-1]["errorCode"] == "OverCurrentFailure"
    assert station.connector(1).evse.power_w == 0
    await station.fault("connector_error", error_code="NoError")
    await station.wait_for(lambda _: server.status() in ("SuspendedEV", "Charging"))


async def test_emergency_stop(server: Server, dial: Dial) -> None:
    station = await started(dial)
    await station.fault("emergency_stop")
    await station.wait_for(lambda _: server.calls("StopTransaction"))
    assert server.calls("StopTransaction")[0]["reason"] == "EmergencyStop"


async def test_no_answer(server: Server, dial: Dial) -> None:
    station = await dial()
    await station.fault("no_answer")
    await server.send([2, "x", "ClearCache", {}])
    assert (await server.call("ClearCache", {}))["status"] == "Accepted"
    assert all(frame[:2] != [3, "x"] for frame in server.frames)
    # A call that nobody answers is outstanding until it times out.
    assert station.books.violations_of("overlapping_calls") == 1


@pytest.mark.parametrize(
    ("fault", "parameters", "message"),
    [
        ("explode", {}, "no fault 'explode'; there is connector_error, drop"),
        ("drop", {"how": 1}, "fault drop has no 'how'; it has reset"),
        ("online", {"how": 1}, "it has no parameters"),
        ("drop", {"reset": 1}, "reset of fault drop must be bool, not 1"),
        ("offline", {"seconds": "1"}, "seconds of fault offline must be float"),
        ("offline", {"seconds": True}, "must be float, not True"),
        ("lose_reading", {"count": True}, "must be int, not True"),
        ("duplicate", {}, "fault duplicate needs action"),
        ("garbage", {"kind": "pizza"}, "no garbage 'pizza'; there is broken_json"),
        ("connector_error", {"error_code": "Sad"}, "no error code 'Sad'; there is Connector"),
        ("register_zero", {"connector": 9}, "no connector 9; there is 1"),
    ],
)
async def test_faults_that_make_no_sense(
    dial: Dial, fault: str, parameters: dict[str, Any], message: str
) -> None:
    station = await dial(ready=False)
    with pytest.raises(ValueError, match=message):
        await station.fault(fault, **parameters)


async def test_some_faults_need_a_connection(dial: Dial) -> None:
    station = await dial()
    await station.fault("offline")
    await station.wait_for(lambda s: not s.online)
    with pytest.raises(ValueError, match="not connected"):
        await station.fault("garbage")


def test_every_fault_is_described() -> None:
    described = describe()
    assert set(described) == set(FAULTS)
    assert all(one["does"] for one in described.values())
    assert described["duplicate"]["parameters"] == {
        "action": "str",
        "new_id": "bool = False",
        "upcoming": "bool = False",
    }


async def test_a_trigger_when_the_connection_has_just_gone(server: Server, dial: Dial) -> None:
    station = await dial()
    answer = await station.commands.handle("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert answer is not None
    _, follow_up = answer
    await station.fault("offline")
    await station.wait_for(lambda s: not s.online)
    with pytest.raises(ConnectionError):
        await follow_up()
