"""A little of script/fuzz ocpp: stations that do not keep to OCPP, beside one that does."""

from collections import Counter
from dataclasses import replace
import logging
from random import Random
from typing import Any

import pytest

from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.ledger import Ledger
from custom_components.forecourt.stations.ocpp.door import Door
from custom_components.forecourt.stations.ocpp.rpc import Rpc
from custom_components.forecourt.stations.ocpp.schema import CALL, Schemas
from fuzz.ocpp import attack, campaign as campaign_module, memory, mutations
from fuzz.ocpp.attack import any_id, masked, readable_id
from fuzz.ocpp.bounds import LOWERED, lowered
from fuzz.ocpp.campaign import Report, campaign
from fuzz.ocpp.memory import Sample
from fuzz.ocpp.messages import STATION_2, STATION_16, Memory, Messages

SEED = 20_261_123
SECONDS = 4.0

pytestmark = pytest.mark.timeout(120)


async def test_nothing_breaks() -> None:
    report = await campaign(SEED, SECONDS)
    assert report.failures == []
    assert report.charges
    assert report.frames > 100


# It would be noticed


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack, "ANSWERED_S", 0.3)
    monkeypatch.setattr(campaign_module, "PATIENCE_S", 3.0)


async def failures() -> str:
    return "\n".join((await campaign(SEED, 0.5)).failures)


async def test_a_call_without_an_answer(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_error(*_: Any) -> None: ...

    monkeypatch.setattr(Rpc, "_send_error", no_error)
    assert "no answer to [" in await failures()


async def test_a_call_with_two_answers(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Rpc._send

    async def twice(self: Rpc, frame: str) -> None:
        await send(self, frame)
        if frame.startswith("[4"):
            await send(self, frame)

    monkeypatch.setattr(Rpc, "_send", twice)
    assert "was answered more often than made" in await failures()


async def test_what_is_no_message(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Rpc._send

    async def spoiled(self: Rpc, frame: str) -> None:
        await send(self, frame.replace('[4,"-1"', '[4,"-1",'))

    monkeypatch.setattr(Rpc, "_send", spoiled)
    assert "it said what is no JSON" in await failures()


async def test_an_error_in_the_log(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = Schemas.fits

    def sometimes(self: Schemas, kind: int, action: str, payload: Any) -> bool:
        if action in ("DataTransfer", "NotifyReport"):
            raise ZeroDivisionError
        return fits(self, kind, action, payload)

    monkeypatch.setattr(Schemas, "fits", sometimes)
    assert "Could not handle" in await failures()


async def test_books_that_are_wrong(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Ledger.sessions

    async def wrong(self: Ledger, **options: Any) -> list[Session]:
        found = await sessions(self, **options)
        return [replace(session, energy_wh=session.energy_wh + 1) for session in found]

    monkeypatch.setattr(Ledger, "sessions", wrong)
    assert "Wh of HONEST, its meter" in await failures()


async def test_memory_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Any] = []
    leave = Door.leave

    def careless(self: Door, identity: str) -> None:
        left.extend([identity] for _ in range(50))
        leave(self, identity)

    monkeypatch.setattr(Door, "leave", careless)
    monkeypatch.setattr(campaign_module, "ROUND", 20)
    monkeypatch.setattr(campaign_module, "REST_S", 0.0)
    report = await campaign(SEED, 100.0, rounds=24)
    assert any("builtins.list +" in failure for failure in report.failures), report.memory


def test_what_is_growth() -> None:
    steady = Sample(300_000, 900_000, 200.0)
    filling = [Sample(260_000 + 4_000 * n, 800_000 + 9_000 * n, 190.0) for n in range(10)]
    assert memory.growth([*filling, *[steady] * 15]) == []
    assert memory.growth(filling) == []
    leaking = [steady._replace(objects=300_000 + 60 * n) for n in range(25)]
    assert memory.growth(leaking) == ["memory grew from 300720 to 301320 objects"]
    swelling = [steady._replace(megabytes=200.0 + n) for n in range(25)]
    assert [one.rpartition(" ")[2] for one in memory.growth(swelling)] == ["megabytes"]


def test_of_what_there_is_more() -> None:
    assert memory.more_of(Counter(a=3, b=9), Counter(a=5, b=8, c=7)) == "c +7, a +2"


def test_bounds_are_lowered_for_a_while() -> None:
    before = [getattr(module, name) for module, name, _ in LOWERED]
    with lowered():
        assert [getattr(module, name) for module, name, _ in LOWERED] == [
            bound for *_, bound in LOWERED
        ]
    assert [getattr(module, name) for module, name, _ in LOWERED] == before
    assert all(bound < usual for (*_, bound), usual in zip(LOWERED, before, strict=True))


# What is sent


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_messages_fit_their_schemas_until_they_are_mutated(subprotocol: str) -> None:
    chance = Random(SEED)
    messages = Messages(subprotocol, chance, Memory(chance))
    schemas = Schemas(subprotocol.removeprefix("ocpp"))
    fitting = spoiled = 0
    for action in (STATION_16 if subprotocol == "ocpp1.6" else STATION_2) * 20:
        await schemas.ensure(CALL, action)
        payload = messages.payload(action)
        fitting += schemas.fits(CALL, action, payload)
        frame = mutations.mutated([2, "1", action, payload], chance)
        is_call = len(frame) == 4 and frame[:3] == [2, "1", action]
        spoiled += not (is_call and schemas.fits(CALL, action, frame[3]))
    total = 20 * len(STATION_16 if subprotocol == "ocpp1.6" else STATION_2)
    assert fitting > 0.8 * total
    assert spoiled > 0.5 * total


def test_the_same_chance_makes_the_same_frames() -> None:
    def made(seed: int) -> list[str]:
        chance = Random(seed)
        messages = Messages("ocpp1.6", chance, Memory(chance))
        frames = [[2, "1", "Heartbeat", messages.payload("Heartbeat")] for _ in range(50)]
        return [mutations.as_text(mutations.mutated(frame, chance), chance) for frame in frames]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_ids() -> None:
    assert readable_id('[2,"a","Heartbeat",{}]') == '"a"'
    assert readable_id("[2,7]") == "7"
    for text in (
        "[2]",
        "[2,true]",
        "[2,1e3]",
        '[2,"\\ud800"]',
        '[3,"a",{}]',
        "[2,NaN]",
        "[2",
        "{}",
    ):
        assert readable_id(text) is None
    assert any_id('[9,"a"]') == '"a"'
    assert any_id('["x"]') is None


def test_no_card_is_printed() -> None:
    assert masked('{"idTag":"04AA0001"}') == '{"idTag":"…0001"}'


def test_errors_of_anything_are_taken() -> None:
    report = Report()
    listener = campaign_module.Listener(report)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "broken", (), None)
    listener.handle(record)
    assert report.failures == ["logged by x: broken"]
