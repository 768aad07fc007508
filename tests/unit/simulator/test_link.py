"""What a station notices about a server that breaks the rules of OCPP-J."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from simulator import schemas
from simulator.frames import (
    Call,
    Failure,
    FrameError,
    LinkDownError,
    Result,
    decode,
    encode,
)

from .conftest import Dial
from .server import ID, Server


def test_frames_there_and_back() -> None:
    assert encode(2, "1", "Heartbeat", {}) == '[2,"1","Heartbeat",{}]'
    assert decode('[2,"1","Heartbeat",{}]') == Call("1", "Heartbeat", {})
    assert decode('[3,"1",{"a":1}]') == Result("1", {"a": 1})
    assert decode('[4,"1","GenericError","x",{}]') == Failure("1", "GenericError", "x")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{", "malformed_frame"),
        ("{}", "malformed_frame"),
        ("[]", "malformed_frame"),
        ('[2,"1","Heartbeat"]', "malformed_frame"),
        ("[3,1,{}]", "malformed_frame"),
        ('[4,"1","GenericError",{}]', "malformed_frame"),
        ('[5,"1",{}]', "unknown_message_type"),
    ],
)
def test_what_is_no_frame(text: str, kind: str) -> None:
    with pytest.raises(FrameError) as error:
        decode(text)
    assert error.value.kind == kind


def test_schemas() -> None:
    assert schemas.known("1.6", "Heartbeat")
    assert not schemas.known("1.6", "HeartbeatResponse")
    assert not schemas.known("1.6", "../Heartbeat")
    assert schemas.fault("1.6", "Heartbeat", {}) is None
    assert schemas.fault("1.6", "MakeCoffee", {}) == "there is no MakeCoffee in OCPP 1.6"
    wrong = schemas.fault("1.6", "StatusNotification", {"connectorId": "1"})
    assert wrong is not None
    limits = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}]}
    for limit, good in ((16.1, True), (21.4, True), (16.15, False)):
        limits["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": limit}]
        answer = {"status": "Accepted", "chargingSchedule": limits}
        assert (schemas.fault("1.6", "GetCompositeScheduleResponse", answer) is None) is good


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("nonsense", "malformed_frame"),
        ([7, "x"], "unknown_message_type"),
        (b"\x00", "binary_frame"),
        ([3, "nobody asked", {}], "unknown_message_id"),
        ([4, "nobody asked", "GenericError", "", {}], "unknown_message_id"),
        ([2, "x" * 37, "ClearCache", {}], "invalid_message_id"),
        ([2, "x", "MakeCoffee", {}], "unknown_action"),
        ([2, "x", "Reset", {"type": "Medium"}], "invalid_request"),
        ([2, "x", "ClearCache", {"extra": 1}], "invalid_request"),
    ],
)
async def test_frames_that_break_the_rules(
    server: Server, dial: Dial, data: Any, kind: str
) -> None:
    station = await dial()
    await server.send(data)
    await station.wait_for(lambda s: s.books.violations)
    assert [line["kind"] for line in station.books.violations] == [kind]
    assert station.ready


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("MakeCoffee", {}), "NotImplemented"),
        (("Heartbeat", {}), "NotImplemented"),
        (("CancelReservation", {"reservationId": 1}), "NotSupported"),
        (("Reset", {}), "FormationViolation"),
    ],
)
async def test_what_is_answered_with_an_error(
    server: Server, dial: Dial, call: tuple[str, Any], code: str
) -> None:
    await dial(feature_profiles=("Core",))
    frame = await server.call_frame(*call)
    assert (frame[0], frame[2]) == (4, code)


async def test_a_message_id_used_twice(server: Server, dial: Dial) -> None:
    station = await dial()
    for _ in range(2):
        await server.send([2, "x", "ClearCache", {}])
        await station.wait_for(lambda _: sum(frame[:2] == [3, "x"] for frame in server.frames) >= 1)
    await station.wait_for(lambda s: s.books.violations_of("reused_message_id") == 1)


async def test_two_calls_at_once(server: Server, dial: Dial) -> None:
    station = await dial()
    answers = await asyncio.gather(*(server.call("ClearCache", {}) for _ in range(2)))
    assert answers == [{"status": "Accepted"}] * 2
    assert [line["kind"] for line in station.books.violations] == ["overlapping_calls"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({}, "invalid_response"),
        ({"currentTime": 5}, "invalid_response"),
        ({"currentTime": "2026-01-01T00:00:00Z", "extra": 1}, "invalid_response"),
        ([4, ID, "OutOfCoffee", "", {}], "unknown_error_code"),
        (None, "no_answer"),
    ],
)
async def test_answers_that_break_the_rules(
    server: Server, dial: Dial, answer: Any, kind: str
) -> None:
    station = await dial(call_timeout_s=0.05)
    server.answers["Heartbeat"] = lambda _: answer
    await server.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await station.wait_for(lambda s: s.books.violations)
    assert [line["kind"] for line in station.books.violations] == [kind]


async def test_a_late_answer_breaks_no_rule(server: Server, dial: Dial) -> None:
    station = await dial(call_timeout_s=0.02)
    server.answers["Heartbeat"] = lambda _: None
    await server.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await station.wait_for(lambda s: s.books.violations_of("no_answer"))
    await server.send([3, server.ids[-1], {"currentTime": "2026-01-01T00:00:00Z"}])
    await server.call("ClearCache", {})
    assert len(station.books.violations) == 1


async def test_one_call_at_a_time_and_none_lost(server: Server, dial: Dial) -> None:
    station = await dial()
    calls = [station.link.call("Heartbeat", {}) for _ in range(5)]
    assert len(await asyncio.gather(*calls)) == 5


async def test_calls_that_wait_when_the_connection_goes(server: Server, dial: Dial) -> None:
    station = await dial()
    server.answers["Heartbeat"] = lambda _: None
    link = station.link
    calls = [asyncio.ensure_future(link.call("Heartbeat", {})) for _ in range(3)]
    await station.wait_for(lambda _: server.calls("Heartbeat"))
    await station.fault("drop")
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in results] == [LinkDownError] * 3
    with pytest.raises(LinkDownError):
        await link.send_raw("too late")


async def test_without_validation_nothing_is_checked(server: Server, dial: Dial) -> None:
    station = await dial(validate=False)
    server.answers["Heartbeat"] = lambda _: {"currentTime": "2026-01-01T00:00:00Z", "extra": 1}
    await server.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await station.wait_for(lambda s: s.time.now().year == 2026)
    assert station.books.violations == []
    assert (await server.call_frame("MakeCoffee", {}))[2] == "NotImplemented"


async def test_the_simulator_checks_itself_too(
    server: Server, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    station = await dial()
    with pytest.raises(AssertionError, match="the simulator itself is wrong: Authorize"):
        await station.link.call("Authorize", {"idTag": "F" * 21})

    station.commands._handlers["ClearCache"] = lambda _: ({"status": "Perhaps"}, None)
    with caplog.at_level(logging.ERROR):
        await server.send([2, "x", "ClearCache", {}])
        await station.wait_for(lambda _: "A handler of the simulator failed" in caplog.text)
