"""OCPP-J's calls: whatever comes in gets an answer, and only one call goes out at a time."""

import asyncio
from dataclasses import replace
import json
import logging
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import Failure, StationError
from custom_components.forecourt.stations.ocpp import (
    Cause,
    CentralSystem,
    OcppStation,
    rpc,
)
from custom_components.forecourt.stations.ocpp.rpc import (
    MAX_ANSWERS_KEPT,
    masked,
)

from .conftest import QUICK, MakeCentral
from .peer import Peer, Site, stamp

SECRET_TAG = "DEADBEEF0123"


def notes(central: CentralSystem) -> dict[str, int]:
    return dict(central.stations["CP1"].notes)


# What comes in


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "null",
        "5",
        '"x"',
        "{}",
        "[]",
        "[2]",
        "[2,NaN]",
        "[" * 20_000,
        '[2,null,"Heartbeat",{}]',
        "[4]",
        "[3]",
        '["2"]',
    ],
)
async def test_what_is_no_message_is_answered_with_the_id_that_nobody_has(
    central: CentralSystem, station: OcppStation, frame: str
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.send(frame)
        await peer.until(lambda: peer.stray)
        assert peer.stray == [[4, "-1", "FormationViolation", "not an OCPP-J message", {}]]
        assert (await peer.call("Heartbeat"))[0] == 3
        assert notes(central)["malformed message"] == 1


@pytest.mark.parametrize(
    "frame", ['[2,"7"]', '[2,"7","Heartbeat"]', '[2,"7","Heartbeat",[]]', '[2,"7",5,{}]']
)
async def test_a_broken_call_is_answered_with_its_id(
    central: CentralSystem, station: OcppStation, frame: str
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert (await peer.raw(frame, "7"))[2] == "FormationViolation"


@pytest.mark.parametrize("frame", ['[5,"7",{}]', '[6,"7","X",{}]', "[0]"])
async def test_messages_of_other_kinds_are_ignored(
    central: CentralSystem, station: OcppStation, frame: str
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.send(frame)
        assert (await peer.call("Heartbeat"))[0] == 3
        assert not peer.stray
        assert notes(central)["unknown message type"] == 1


async def test_a_number_for_an_id_and_null_for_nothing_are_let_pass(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert (await peer.raw('[2,42,"Heartbeat",null]', 42))[0] == 3
        assert (await peer.raw('[2,"a","Heartbeat",{},"more"]', "a"))[0] == 3


async def test_an_unknown_action_is_not_implemented(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert (await peer.call("MakeCoffee", {"idTag": SECRET_TAG}))[2] == "NotImplemented"


@pytest.mark.parametrize(
    ("action", "payload", "code", "field"),
    [
        ("Authorize", {"idTag": "F" * 21}, "PropertyConstraintViolation", "idTag"),
        ("Authorize", {"idTag": {}}, "TypeConstraintViolation", "idTag"),
        ("Authorize", {}, "ProtocolError", "idTag"),
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError"},
            "ProtocolError",
            "status",
        ),
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Occupied"},
            "PropertyConstraintViolation",
            "status",
        ),
        ("StatusNotification", {"connectorId": "one"}, "TypeConstraintViolation", "connectorId"),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": []},
            "OccurenceConstraintViolation",
            "meterValue",
        ),
        (
            "StartTransaction",
            {"connectorId": "x", "idTag": "F" * 21, "meterStart": 1, "timestamp": ""},
            "TypeConstraintViolation",
            "connectorId",
        ),
        (
            "StartTransaction",
            {"connectorId": True, "idTag": "F", "meterStart": 1, "timestamp": ""},
            "TypeConstraintViolation",
            "connectorId",
        ),
    ],
)
async def test_a_bad_payload_is_refused_by_the_name_of_the_field(
    central: CentralSystem,
    station: OcppStation,
    *,
    action: str,
    payload: Any,
    code: str,
    field: str,
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert (await peer.call(action, payload))[2:] == [code, field, {}]


async def test_a_handler_that_fails_still_answers(
    central: CentralSystem, station: OcppStation, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        site.failure = RuntimeError("disk full")
        frame = await peer.call("Authorize", {"idTag": SECRET_TAG})
        assert frame[2:] == ["InternalError", "", {}]
        assert "Could not handle Authorize" in caplog.text
        assert SECRET_TAG not in caplog.text
        site.failure = None
        assert (await peer.call("Authorize", {"idTag": SECRET_TAG}))[0] == 3


async def test_tags_stay_out_of_the_log_at_any_level(
    central: CentralSystem, station: OcppStation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.start(idTag=SECRET_TAG)
        await peer.call("Authorize", {"idTag": SECRET_TAG * 2})
        await peer.call("DataTransfer", {"vendorId": "x", "data": SECRET_TAG})
        await peer.send(f'[2,"1","Authorize",{{"idTag":"{SECRET_TAG}"')
        await peer.until(lambda: peer.stray)
    assert "StartTransaction" in caplog.text
    assert SECRET_TAG not in caplog.text
    assert SECRET_TAG not in "".join(peer.frames)
    assert SECRET_TAG not in str(central.knocks)


def test_masking_reaches_every_level() -> None:
    payload = {
        "list": [{"idTag": "A", "n": 1}],
        "key": "AuthorizationKey",
        "value": "B",
        "parentIdTag": "C",
    }
    assert masked(payload) == {
        "list": [{"idTag": "…", "n": 1}],
        "key": "AuthorizationKey",
        "value": "…",
        "parentIdTag": "…",
    }
    assert masked({"key": "HeartbeatInterval", "value": "5"})["value"] == "5"
    assert payload["value"] == "B"


async def test_what_is_too_deep_for_the_log_is_answered_all_the_same(
    central: CentralSystem, station: OcppStation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "custom_components.forecourt")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        deep = "[" * 5_000 + "]" * 5_000
        frame = await peer.raw(f'[2,"1","Heartbeat",{{"extra":{deep}}}]', "1")
        assert frame[0] == 3
    assert "← Heartbeat" in caplog.text
    assert len(caplog.text) < 20_000


async def test_calls_are_handled_in_order_and_one_at_a_time(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        site.released.clear()
        first = asyncio.create_task(peer.call("Authorize", {"idTag": "A"}))
        await asyncio.sleep(0)
        second = asyncio.create_task(peer.call("Heartbeat"))
        # Meanwhile our own calls still get their answers.
        await station.stop(5)
        assert not first.done()
        assert not second.done()
        site.released.set()
        await asyncio.gather(first, second)
        ids = [json.loads(frame)[1] for frame in peer.frames if frame.startswith("[3")]
        assert ids[-2:] == ["m2", "m3"]


async def test_too_many_unanswered_calls_end_the_connection(
    central: CentralSystem, station: OcppStation, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "MAX_QUEUE", 3)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        site.released.clear()
        for number in range(6):
            await peer.send([2, str(number), "Authorize", {"idTag": "A"}])
        await peer.closed.wait()
        assert peer.ws.close_code == 1008
        site.released.set()
    await central.stop()
    assert central.knocks[-1].cause is Cause.MISBEHAVED


# What is told twice


async def test_a_repeated_call_is_answered_from_memory(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    payload = {"connectorId": 1, "idTag": "A", "meterStart": 1, "timestamp": stamp()}
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        first = await peer.call("StartTransaction", payload, message_id="same")
        again = await peer.call("StartTransaction", payload, message_id="same")
        assert again == first
        assert len(site.starts) == 1
        assert notes(central)["repeated call"] == 1
        # Another payload under the same id is another call: some stations restart their ids.
        other = await peer.call("StartTransaction", payload | {"meterStart": 2}, message_id="same")
        assert other[2]["transactionId"] == 2
        # So is the same id on another connection.
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.call("StartTransaction", payload, message_id="same")
        assert len(site.starts) == 3


async def test_what_may_be_said_twice_is_answered_afresh(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        for _ in range(2):
            await peer.call("Authorize", {"idTag": "A"}, message_id="same")
        assert len(site.taps) == 2


async def test_a_call_that_failed_is_tried_again(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    payload = {"connectorId": 1, "idTag": "A", "meterStart": 1, "timestamp": stamp()}
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        site.failure = RuntimeError()
        assert (await peer.call("StartTransaction", payload, message_id="a"))[0] == 4
        site.failure = None
        assert (await peer.call("StartTransaction", payload, message_id="a"))[0] == 3


async def test_the_memory_of_answers_is_bounded(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        for number in range(MAX_ANSWERS_KEPT + 5):
            await peer.start(meterStart=number)
        assert len(central._connections["CP1"]._rpc._answers) == MAX_ANSWERS_KEPT


# What goes out


async def test_json_goes_out_without_blanks(central: CentralSystem, station: OcppStation) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.call("MakeCoffee")
        await peer.start()
        assert len(peer.frames) > 4
        for frame in peer.frames:
            assert frame == json.dumps(json.loads(frame), separators=(",", ":"))


async def test_only_one_call_is_under_way(central: CentralSystem, station: OcppStation) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["RemoteStopTransaction"] = None
        asked = len(peer.asked)
        calls = [asyncio.create_task(station.stop(number)) for number in range(3)]
        await asyncio.sleep(0.05)
        assert len(peer.asked) == asked + 1
        peer.impatient()
        frame = json.loads(peer.frames[-1])
        await peer.send([3, frame[1], {"status": "Accepted"}])
        await calls[0]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(one, "failure", None) for one in results] == [
            None,
            Failure.TIMEOUT,
            Failure.TIMEOUT,
        ]


async def test_a_late_answer_is_dropped(central: CentralSystem, station: OcppStation) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["RemoteStopTransaction"] = None
        peer.impatient()
        with pytest.raises(StationError) as caught:
            await station.stop(1)
        assert caught.value.failure is Failure.TIMEOUT
        late = json.loads(peer.frames[-1])[1]
        await peer.send([3, late, {"status": "Accepted"}])
        await peer.send([4, "never asked", "GenericError", "", {}])
        peer.answers["RemoteStopTransaction"] = {"status": "Rejected"}
        with pytest.raises(StationError) as caught:
            await station.stop(1)
        assert caught.value.failure is Failure.REFUSED
        assert notes(central)["answer nobody waits for"] == 2
        assert notes(central)["call timed out"] == 1


async def test_an_answer_to_another_call_is_not_taken(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["RemoteStopTransaction"] = None
        call = asyncio.create_task(station.stop(1))
        await peer.until(lambda: peer.calls("RemoteStopTransaction"))
        await peer.send([3, "other", {"status": "Accepted"}])
        await asyncio.sleep(0.02)
        assert not call.done()
        frame = json.loads(peer.frames[-1])
        await peer.send([3, frame[1], {"status": "Accepted"}])
        # Twice, which must not hurt.
        await peer.send([3, frame[1], {"status": "Rejected"}])
        await call


@pytest.mark.parametrize(
    ("answer", "failure", "detail"),
    [
        ("InternalError", Failure.REFUSED, "InternalError (no)"),
        ("NotSupported", Failure.NOT_SUPPORTED, "NotSupported"),
        ("NotImplemented", Failure.NOT_SUPPORTED, "NotImplemented"),
        (SECRET_TAG, Failure.REFUSED, "GenericError (no)"),
        ({"status": "Rejected"}, Failure.REFUSED, "Rejected"),
        (
            {"status": 5},
            Failure.REFUSED,
            "RemoteStopTransaction: PropertyConstraintViolation: status",
        ),
        ({}, Failure.REFUSED, "RemoteStopTransaction: ProtocolError: status"),
        ([], Failure.REFUSED, "not an object"),
    ],
)
async def test_refusals_have_a_name(
    central: CentralSystem, station: OcppStation, answer: Any, failure: Failure, detail: str
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["RemoteStopTransaction"] = lambda _: answer
        with pytest.raises(StationError) as caught:
            await station.stop(1)
        assert (caught.value.failure, caught.value.detail) == (failure, detail)


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        ("  the cable is locked ", "GenericError (the cable is locked)"),
        (f"no such tag {SECRET_TAG.lower()}", "GenericError"),
        ("", "GenericError"),
        (7, "GenericError"),
        ("x" * 500, f"GenericError ({'x' * 159}…)"),
    ],
)
async def test_a_refusal_has_the_words_of_the_station_but_not_ours(
    central: CentralSystem, station: OcppStation, words: Any, detail: str
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["RemoteStartTransaction"] = None
        starting = asyncio.create_task(station.start(EvseId("CP1", 1), Token(SECRET_TAG)))
        await peer.until(lambda: peer.calls("RemoteStartTransaction"))
        asked = next(json.loads(one) for one in peer.frames if "RemoteStartTransaction" in one)
        await peer.send([4, asked[1], "GenericError", words, {}])
        with pytest.raises(StationError) as caught:
            await starting
        assert caught.value.detail == detail


async def test_a_callerror_without_a_code_is_a_refusal(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["RemoteStopTransaction"] = None
        call = asyncio.create_task(station.stop(1))
        await peer.until(lambda: peer.calls("RemoteStopTransaction"))
        await peer.send([4, json.loads(peer.frames[-1])[1]])
        with pytest.raises(StationError, match="GenericError"):
            await call


async def test_a_lost_connection_fails_all_calls_at_once(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["RemoteStopTransaction"] = None
        calls = [asyncio.create_task(station.stop(number)) for number in range(3)]
        await peer.until(lambda: peer.calls("RemoteStopTransaction"))
        peer.ws._conn.transport.abort()  # type: ignore[union-attr]
        async with asyncio.timeout(0.2):
            results = await asyncio.gather(*calls, return_exceptions=True)
    assert {getattr(one, "failure", None) for one in results} == {Failure.OFFLINE}
    with pytest.raises(StationError) as caught:
        await station.stop(1)
    assert caught.value.failure is Failure.OFFLINE


async def test_what_was_received_is_handled_though_the_connection_is_lost(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        site.released.clear()
        stop = {"transactionId": 1, "meterStop": 5, "timestamp": stamp()}
        await peer.send([2, "1", "Authorize", {"idTag": "A"}])
        await peer.send([2, "2", "StopTransaction", stop])
        await peer.send([2, "3", "StopTransaction", stop])
        await asyncio.sleep(0.05)
        connection = central._connections["CP1"]
        peer.ws._conn.transport.abort()  # type: ignore[union-attr]
        await peer.closed.wait()
        await asyncio.sleep(0.02)
        assert not station.online
        site.released.set()
        await connection.finished.wait()
    assert len(site.ends) == 2
    assert connection.notes["answer not delivered"] == 3


async def test_a_new_connection_waits_for_what_the_old_one_told(
    make_central: MakeCentral, site: Site
) -> None:
    central = await make_central(replace(QUICK, probe_s=0.1))
    central.add_station("CP1")
    async with Peer(central, "CP1") as old:
        await old.ready()
        site.released.clear()
        await old.send([2, "1", "Authorize", {"idTag": "A"}])
        await old.vanish()
        asyncio.get_running_loop().call_later(0.2, site.released.set)
        async with Peer(central, "CP1") as new:
            await new.boot()
            assert await new.start()
    assert site.order == ["authorize", "start"]
