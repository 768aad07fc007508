"""The latest frames of a station, fit to be shown, and what is counted."""

import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp.frames import (
    FRAMES_KEPT,
    LATENCIES_KEPT,
    LONG_FRAME,
    LONGEST_SHOWN,
    Counters,
    FrameLog,
)

SECRET = "DEADBEEF0123"


def entry(text: str, *, out: bool = False) -> dict[str, Any]:
    log = FrameLog(now=lambda: 0)
    (log.add_out if out else log.add_in)(text)
    [found] = log.entries()
    return found


def test_a_call_and_its_answer() -> None:
    times = iter((1767225600, 1767225600.25))
    log = FrameLog(now=lambda: next(times))
    log.add_in(f'[2, "7", "Authorize", {{"idTag": "{SECRET}"}}]')
    log.add_out('[3,"7",{"idTagInfo":{"status":"Invalid"}}]')
    assert log.entries() == [
        {
            "at": "2026-01-01T00:00:00.000+00:00",
            "direction": "in",
            "size": 48,
            "action": "Authorize",
            "message_id": "7",
            "payload": '{"idTag":"…"}',
        },
        {
            "at": "2026-01-01T00:00:00.250+00:00",
            "direction": "out",
            "size": 42,
            "action": "answer to Authorize",
            "message_id": "7",
            "payload": '{"idTagInfo":{"status":"Invalid"}}',
        },
    ]


def test_an_answer_belongs_to_the_latest_call_of_the_other_side() -> None:
    log = FrameLog()
    log.add_in('[2,"1","BootNotification",{}]')
    log.add_out('[2,"1","GetConfiguration",{}]')
    log.add_in('[3,"1",{}]')
    log.add_in('[2,"1","Heartbeat",{}]')
    log.add_out('[3,"1",{}]')
    log.add_out('[3,"2",{}]')
    assert [one["action"] for one in log.entries()] == [
        "BootNotification",
        "GetConfiguration",
        "answer to GetConfiguration",
        "Heartbeat",
        "answer to Heartbeat",
        "answer",
    ]


def test_only_the_latest_frames_are_kept() -> None:
    log = FrameLog()
    for number in range(FRAMES_KEPT + 5):
        log.add_in(f'[2,"{number}","Heartbeat",{{}}]')
    assert [one["message_id"] for one in log.entries()] == [
        str(number) for number in range(5, FRAMES_KEPT + 5)
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'[2,"1","Authorize",{{"idTag":"{SECRET}"',
        f'["{SECRET}"]',
        f'{{"idTag":"{SECRET}"}}',
        f'[2,"1","Authorize",["{SECRET}"]]',
        f'[3,"1","{SECRET}"]',
        f'[9,"1","{SECRET}"]',
        f'"{SECRET}"',
    ],
)
def test_of_what_is_no_message_only_the_length_is_shown(text: str) -> None:
    found = entry(text)
    assert SECRET not in json.dumps(found)
    assert found["payload"] == f"… ({len(text)} characters)"
    assert found["action"] is None
    assert found["message_id"] is None


def test_an_error_of_the_station_is_shown_by_its_code() -> None:
    text = f'[4,"1","FormatViolation","no {SECRET}",{{"x":"{SECRET}"}}]'
    assert entry(text)["payload"] == '["FormatViolation","…","…"]'
    assert entry(f'[4,"1","{SECRET}"]')["payload"] == '["GenericError"]'
    assert entry('[4,"1"]')["payload"] == '["GenericError"]'
    assert entry('[5,"1","InternalError"]')["payload"] == '["InternalError"]'


def test_an_error_of_ours_is_shown_with_its_text() -> None:
    text = '[4,"1","PropertyConstraintViolation","idTag",{}]'
    assert entry(text, out=True)["payload"] == '["PropertyConstraintViolation","idTag",{}]'
    assert entry(text, out=True)["action"] == "answer"


def test_of_a_long_frame_it_is_told_what_it_was() -> None:
    text = f'[ 2 , "7", "NotifyReport", {{"x": "{SECRET * 1000}"}}]'
    assert len(text) > LONG_FRAME
    found = entry(text)
    assert (found["action"], found["message_id"], found["size"]) == ("NotifyReport", "7", len(text))
    assert found["payload"] == f"… ({len(text)} characters)"
    log = FrameLog()
    log.add_in(text)
    assert sum(len(kept[3]) for kept in log._frames) < 300
    answer = entry(f'[3,"7",{{"x":"{SECRET * 1000}"}}]')
    assert (answer["action"], answer["message_id"]) == ("answer", "7")
    assert entry("x" * (LONG_FRAME + 1))["action"] is None


def test_a_payload_is_shown_up_to_some_length() -> None:
    found = entry(json.dumps([2, "7", "MeterValues", {"x": "y" * (LONGEST_SHOWN + 500)}]))
    assert len(found["payload"]) == LONGEST_SHOWN + 1


def test_what_cannot_be_printed_is_not_shown() -> None:
    found = entry(json.dumps([2, "\x1b[2J", "A\n" * 500, {}]))
    assert found["message_id"] == "�[2J"
    assert "\n" not in found["action"]
    assert len(found["action"]) < 300


@given(st.text() | st.lists(st.integers(2, 7) | st.text() | st.none()).map(json.dumps))
def test_any_frame_can_be_listed(text: str) -> None:
    json.dumps(entry(text))
    json.dumps(entry(text, out=True))


def test_counters_start_at_nothing() -> None:
    assert Counters().as_dict() == {
        "messages_in": 0,
        "messages_out": 0,
        "errors_in": {},
        "errors_out": {},
        "dropped": 0,
        "repeated": 0,
        "timeouts": 0,
        "answer_ms": {"p50": None, "p99": None, "max": None},
    }


def test_how_long_answers_took() -> None:
    counters = Counters()
    counters.answered(60)
    for number in range(1, LATENCIES_KEPT + 1):
        counters.answered(number / 1000)
    assert counters.as_dict()["answer_ms"] == {"p50": 256, "p99": 507, "max": 512}
    counters = Counters()
    counters.answered(0.0015)
    assert counters.as_dict()["answer_ms"] == {"p50": 1.5, "p99": 1.5, "max": 1.5}
