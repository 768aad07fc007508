"""What the versions of OCPP-J do differently, and what is counted in all of them."""

import asyncio
from collections.abc import AsyncGenerator
import json
import logging
from typing import Any, Self

import pytest

from custom_components.forecourt.stations.ocpp.frames import Counters, FrameLog
from custom_components.forecourt.stations.ocpp.link import Timing
from custom_components.forecourt.stations.ocpp.rpc import (
    AnswerError,
    BadAnswerError,
    CallRefusedError,
    CallTimeoutError,
    Rpc,
)
from custom_components.forecourt.stations.ocpp.schema import (
    CALL,
    ErrorCode,
    Schemas,
    ViolationError,
)

VERSIONS = ("1.6", "2.0.1", "2.1")
STREAM = {"id": 1, "pending": 0, "basetime": "x", "data": [{"t": 1.0, "v": "5"}]}


class Pipe:
    """A transport in memory: `put` what the station says, read what it is told in `sent`."""

    def __init__(self) -> None:
        self._coming: asyncio.Queue[str | None] = asyncio.Queue()
        self.sent: list[Any] = []
        self.calls: asyncio.Queue[str] = asyncio.Queue()

    def put(self, frame: Any) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self._coming.put_nowait(text)

    async def frames(self) -> AsyncGenerator[str]:
        while (frame := await self._coming.get()) is not None:
            yield frame

    async def send(self, text: str) -> None:
        message = json.loads(text)
        self.sent.append(message)
        if message[0] == CALL:
            self.calls.put_nowait(message[1])

    async def close(self, *_: Any, fault: str | None = None) -> None:
        self._coming.put_nowait(None)


class Version:
    """A version that takes a few actions, and notes them."""

    once = frozenset({"DataTransfer"})

    def __init__(self) -> None:
        self.handled: list[tuple[str, Any]] = []
        self.lenient_for: list[str] = []
        self.failure: Exception | None = None
        self.answer: Any = {}

    def admit(self, action: str) -> None:
        if action not in {"Heartbeat", "DataTransfer", "Made", "NotifyPeriodicEventStream"}:
            raise AnswerError(ErrorCode.NOT_IMPLEMENTED)

    def lenient(self, kind: int, action: str, payload: Any) -> list[str]:
        self.lenient_for.append(action)
        return ["no vendor"] if payload.setdefault("vendorId", "V") == "V" else []

    async def handle(self, action: str, payload: Any) -> Any:
        self.handled.append((action, payload))
        if self.failure:
            raise self.failure
        return self.answer

    def answered(self, action: str, answer: Any) -> None: ...

    def ended(self) -> None: ...


class Line:
    """An `Rpc` that is served while a test talks to it."""

    def __init__(self, version: str, timing: Timing | None = None) -> None:
        self.pipe = Pipe()
        self.version = Version()
        self.log = FrameLog()
        self.counters = Counters()
        self.rpc = Rpc(
            self.pipe,
            self.version,
            Schemas(version),
            timing or Timing(),
            logging.getLogger("nothing"),
            frames=self.log,
            counters=self.counters,
        )

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.rpc.serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        await self.pipe.close()
        await self._task

    async def calling(self, action: str, payload: Any) -> tuple[str, asyncio.Task[Any]]:
        """Make a call of ours; returns its message id and the task that waits for the answer."""
        task = asyncio.create_task(self.rpc.call(action, payload))
        return await self.pipe.calls.get(), task


async def told(version: str, *frames: Any) -> Line:
    async with Line(version) as line:
        for frame in frames:
            line.pipe.put(frame)
    return line


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_no_message_is_refused_in_the_words_of_the_version(version: str) -> None:
    line = await told(version, "{", '[2,"7"]', '[2,"7","Heartbeat",[]]')
    code = "FormationViolation" if version == "1.6" else "RpcFrameworkError"
    text = "not an OCPP-J message"
    assert line.pipe.sent == [[4, name, code, text, {}] for name in ("-1", "7", "7")]
    assert line.counters.errors_out == {code: 3}
    assert line.rpc.notes == {"malformed message": 3}


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("1.6", "OccurenceConstraintViolation"),
        ("2.0.1", "OccurrenceConstraintViolation"),
        ("2.1", "OccurrenceConstraintViolation"),
    ],
)
async def test_a_handler_s_code_is_spelled_as_the_version_has_it(version: str, code: str) -> None:
    async with Line(version) as line:
        line.version.failure = AnswerError(ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION, "x")
        line.pipe.put([2, "1", "Heartbeat", {}])
    assert line.pipe.sent == [[4, "1", code, "x", {}]]


async def test_a_message_of_another_type_is_ignored_by_the_oldest() -> None:
    line = await told("1.6", '[7,"1"]', '[5,"1","x","",{}]', '[6,"1","Heartbeat",{}]', "[1]")
    assert line.pipe.sent == []
    assert line.rpc.notes == {"unknown message type": 4}
    assert line.counters.dropped == 4


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_message_of_another_type_is_refused_by_the_others(version: str) -> None:
    line = await told(version, '[7,"1"]', "[8]", "[9,null]", "[0,5]")
    expected = [[4, name, "MessageTypeNotSupported", "", {}] for name in ("1", "-1", "-1", 5)]
    assert line.pipe.sent == expected
    assert line.rpc.notes == {"unknown message type": 4}


async def test_a_send_is_handled_and_not_answered() -> None:
    line = await told("2.1", [6, "1", "NotifyPeriodicEventStream", STREAM], [2, "2", "Made", {}])
    assert line.version.handled == [("NotifyPeriodicEventStream", STREAM)]
    assert [frame[1] for frame in line.pipe.sent] == ["2"]
    assert line.counters.dropped == 0


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        ([6, "1", "SetPower", STREAM], "message not taken: NotImplemented"),
        ([6, "1", "Heartbeat", {}], "message not taken: NotImplemented"),
        (
            [6, "1", "NotifyPeriodicEventStream", {}],
            "message not taken: OccurrenceConstraintViolation",
        ),
        ([6, "1", "NotifyPeriodicEventStream"], "malformed message"),
        ([6], "malformed message"),
    ],
)
async def test_a_send_that_is_not_taken_is_dropped_and_counted(frame: Any, note: str) -> None:
    line = await told("2.1", frame)
    assert line.pipe.sent == line.version.handled == []
    assert line.rpc.notes[note] == 1
    assert line.counters.dropped == 1


async def test_a_send_whose_handler_fails_is_told_to_nobody_but_the_log() -> None:
    async with Line("2.1") as line:
        line.version.failure = RuntimeError("disk full")
        line.pipe.put([6, "1", "NotifyPeriodicEventStream", STREAM])
        line.pipe.put([2, "2", "Heartbeat", {}])
    assert [frame[1] for frame in line.pipe.sent] == ["2"]
    assert line.rpc.notes["message not taken: InternalError"] == 1


async def test_an_answer_that_the_station_refuses_is_noted() -> None:
    line = await told("2.1", '[5,"1","FormatViolation","",{}]', '[5,"1"]')
    assert line.pipe.sent == []
    assert line.rpc.notes == {
        "answer refused: FormatViolation": 1,
        "answer refused: GenericError": 1,
    }
    assert line.counters.errors_in == {"FormatViolation": 1, "GenericError": 1}
    assert line.counters.dropped == 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_action_without_a_schema_is_not_implemented(version: str) -> None:
    line = await told(version, [2, "1", "Made", {}])
    assert line.pipe.sent == [[4, "1", "NotImplemented", "no such message", {}]]


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_good_is_not_touched_and_the_rest_is_mended(version: str) -> None:
    line = await told(
        version,
        [2, "1", "DataTransfer", {"vendorId": "X"}],
        [2, "2", "DataTransfer", {"messageId": "m"}],
    )
    assert line.version.lenient_for == ["DataTransfer"]
    assert line.version.handled == [
        ("DataTransfer", {"vendorId": "X"}),
        ("DataTransfer", {"messageId": "m", "vendorId": "V"}),
    ]
    assert line.rpc.notes == {"no vendor": 1}


async def test_a_number_of_many_digits_is_the_card_that_it_is() -> None:
    digits = "123456789012345678901"
    line = await told("1.6", f'[2,"1","DataTransfer",{{"vendorId":{digits}}}]')
    assert line.version.handled == [("DataTransfer", {"vendorId": digits})]


async def test_what_would_take_long_to_mend_is_refused() -> None:
    async with Line("2.0.1") as line:
        line.pipe.put([2, "1", "DataTransfer", {"vendorId": "V", "data": [5] * 2500}])
        line.pipe.put([2, "2", "DataTransfer", {"vendorId": 5, "data": [5] * 2500}])
        line.pipe.put([2, "3", "DataTransfer", {"vendorId": 5, "data": [5] * 2000}])
    assert [frame[:3] for frame in line.pipe.sent] == [
        [3, "1", {}],
        [4, "2", "FormatViolation"],
        [3, "3", {}],
    ]
    assert line.version.lenient_for == ["DataTransfer"]


async def test_an_answer_that_no_json_can_hold_is_an_internal_error() -> None:
    async with Line("1.6") as line:
        line.version.answer = {"x": object()}
        line.pipe.put([2, "1", "Heartbeat", {}])
        line.pipe.put([2, "2", "Heartbeat", {}])
    assert [frame[2] for frame in line.pipe.sent] == ["InternalError", "InternalError"]


async def test_our_own_call_is_checked_before_it_goes_out() -> None:
    async with Line("2.0.1") as line:
        with pytest.raises(ViolationError, match="OccurenceConstraintViolation: type"):
            await line.rpc.call("Reset", {})
        with pytest.raises(ViolationError, match="no such message"):
            await line.rpc.call("MakeCoffee", {})
        assert line.pipe.sent == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_everything_is_counted_and_logged(version: str) -> None:
    reset = {"type": "Soft" if version == "1.6" else "Immediate"}
    async with Line(version, Timing(call_s=0.05)) as line:
        for _ in range(2):
            line.pipe.put([2, "1", "DataTransfer", {"vendorId": "X"}])
        line.pipe.put([2, "2", "SetPower", {}])
        name, task = await line.calling("Reset", reset)
        line.pipe.put([3, name, {"status": "Accepted", "vendor": 1}])
        assert await task == {"status": "Accepted"}
        name, task = await line.calling("Reset", reset)
        line.pipe.put([4, name, "NotSupported", "", {}])
        with pytest.raises(CallRefusedError, match="Reset: NotSupported"):
            await task
        _, task = await line.calling("Reset", reset)
        with pytest.raises(CallTimeoutError):
            await task
        name, task = await line.calling("Reset", reset)
        line.pipe.put([3, name, {}])
        with pytest.raises(BadAnswerError):
            await task
        line.pipe.put([3, "nobody", {}])
    counts = line.counters.as_dict()
    assert counts.pop("answer_ms")["max"] > 0
    assert counts == {
        "messages_in": 7,
        "messages_out": 7,
        "errors_in": {"NotSupported": 1},
        "errors_out": {"NotImplemented": 1},
        "dropped": 1,
        "repeated": 1,
        "timeouts": 1,
    }
    entries = line.log.entries()
    assert [one["direction"] for one in entries].count("in") == 7
    actions = [one["action"] for one in entries]
    assert actions.count("Reset") == 4
    assert actions.count("answer to Reset") == 3
    assert actions.count("answer to DataTransfer") == 2


@pytest.mark.parametrize("action", ["SetPower", "Heartbeat"])
async def test_without_a_log_nothing_is_kept(action: str) -> None:
    pipe = Pipe()
    rpc = Rpc(pipe, Version(), Schemas("1.6"), Timing(), logging.getLogger("nothing"))
    pipe.put([CALL, "1", action, {}])
    await pipe.close()
    await rpc.serve()
    assert rpc.frames is None
    assert rpc.counters.messages_in == rpc.counters.messages_out == 1
