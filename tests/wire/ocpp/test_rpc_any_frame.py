"""Any frame at all: every call gets its answer, and nothing ends the service."""

import asyncio
from collections.abc import AsyncGenerator
import json
import logging
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp import (
    CentralSystem,
    OcppStation,
    Timing,
)
from custom_components.forecourt.stations.ocpp.codec import parse
from custom_components.forecourt.stations.ocpp.frames import FrameLog
from custom_components.forecourt.stations.ocpp.link import ConnectionLostError
from custom_components.forecourt.stations.ocpp.rpc import (
    AnswerError,
    Rpc,
)
from custom_components.forecourt.stations.ocpp.schema import CALL, SEND, ErrorCode, Schemas
from custom_components.forecourt.stations.ocpp.v16.lenient import lenient
from custom_components.forecourt.stations.ocpp.v16.setup import Setup

from .peer import Peer, Site

VERSIONS = {version: Schemas(version) for version in ("1.6", "2.0.1", "2.1")}
ACTIONS = frozenset(
    {
        "Heartbeat",
        "MeterValues",
        "NotifyPeriodicEventStream",
        "NotifyReport",
        "StatusNotification",
        "StopTransaction",
        "TransactionEvent",
    }
)


class Wire:
    """Frames of a test in, frames of the central system out."""

    def __init__(self, *frames: str) -> None:
        self._frames = frames
        self.sent: list[Any] = []

    async def frames(self) -> AsyncGenerator[str]:
        for frame in self._frames:
            yield frame

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def close(
        self, code: Any = None, reason: str = "", *, fault: str | None = None
    ) -> None: ...


class Echo:
    """A version of OCPP that takes everything."""

    once = frozenset({"MeterValues"})

    def __init__(self, version: str = "1.6") -> None:
        self._schemas = VERSIONS[version]

    def admit(self, action: str) -> None:
        if action not in ACTIONS:
            raise AnswerError(ErrorCode.NOT_IMPLEMENTED)

    def lenient(self, kind: int, action: str, payload: Any) -> list[str]:
        return lenient(kind, action, payload) if self._schemas is VERSIONS["1.6"] else []

    async def handle(self, action: str, payload: Any) -> Any:
        kind = SEND if action == "NotifyPeriodicEventStream" else CALL
        assert self._schemas.fits(kind, action, payload)
        return {}

    def answered(self, action: str, answer: Any) -> None: ...

    def ended(self) -> None: ...


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "connectorId",
        "customData",
        "data",
        "errorCode",
        "evse",
        "evseId",
        "idToken",
        "meterStop",
        "meterValue",
        "reason",
        "reportData",
        "sampledValue",
        "timestamp",
    ]
)
PAYLOAD = st.dictionaries(FIELDS, ANYTHING, max_size=5)
CALLS = st.tuples(st.just(2), st.text(max_size=5), st.sampled_from(sorted(ACTIONS)), PAYLOAD)
FRAMES = (
    st.text(max_size=30)
    | ANYTHING.map(json.dumps)
    | st.lists(ANYTHING, min_size=1, max_size=5).map(json.dumps)
    | st.tuples(st.integers(0, 7), ANYTHING, ANYTHING, ANYTHING).map(json.dumps)
    | CALLS.map(json.dumps)
    | CALLS.map(lambda call: json.dumps([6, *call[1:]]))
)


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=60, deadline=None)
@given(st.lists(FRAMES, max_size=6), st.lists(CALLS.map(json.dumps), max_size=4))
def test_every_frame_is_answered_or_dropped_and_counted(
    version: str, frames: list[str], calls: list[str]
) -> None:
    wire, log = Wire(*frames, *calls), FrameLog()
    logger = logging.getLogger("nothing")
    rpc = Rpc(wire, Echo(version), VERSIONS[version], Timing(), logger, frames=log)
    asyncio.run(rpc.serve())
    answered = [frame[1] for frame in wire.sent]
    for call in calls:
        assert json.loads(call)[1] in answered
    assert all(frame[0] == 3 or frame[2] != "InternalError" for frame in wire.sent)
    assert "message not taken: InternalError" not in rpc.notes
    counters = rpc.counters
    assert counters.messages_in == len(frames) + len(calls)
    sends = sum(_is_send(text) for text in frames) if version == "2.1" else 0
    assert 0 <= counters.messages_in - len(wire.sent) - counters.dropped <= sends
    assert counters.messages_out == len(wire.sent)
    assert len(log.entries()) == counters.messages_in + counters.messages_out


def _is_send(text: str) -> bool:
    frame = parse(text)
    return isinstance(frame, list) and frame[:1] == [6]


async def test_a_connection_that_ends_while_an_answer_goes_out_is_no_failure() -> None:
    wire = Wire('[2,"1","Heartbeat",{}]')

    async def lost(_text: str) -> None:
        raise ConnectionLostError

    async def broken() -> AsyncGenerator[str]:
        yield '[2,"1","Heartbeat",{}]'
        raise ConnectionLostError

    wire.send = lost  # type: ignore[method-assign, assignment]
    wire.frames = broken  # type: ignore[method-assign]
    calls = Rpc(wire, Echo(), Schemas("1.6"), Timing(), logging.getLogger("nothing"))
    await calls.serve()
    assert calls.notes == {"answer not delivered": 1}
    with pytest.raises(ConnectionLostError):
        await calls.call("Reset", {"type": "Soft"})


async def test_a_site_that_fails_costs_no_connection(
    central: CentralSystem, station: OcppStation, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_station: Any) -> None:
        raise RuntimeError

    site.station_changed = fail  # type: ignore[method-assign, assignment]
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert (await peer.call("Heartbeat"))[0] == 3
    assert "The site could not take note of CP1" in caplog.text


async def test_what_fails_in_the_background_is_told(
    central: CentralSystem,
    station: OcppStation,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Setup, "run", lambda _: 1 / 0)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert (await peer.call("Heartbeat"))[0] == 3
    assert "Could not go on with CP1" in caplog.text
