"""The words of the model."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.model.evse import EvseState, EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import COMPLETES_FOR, Reading, ReadingContext
from custom_components.forecourt.core.model.session import Transaction
from custom_components.forecourt.core.model.token import Token

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVSE = EvseId("garage", 2)


def test_an_evse_is_named_by_station_and_number() -> None:
    assert str(EVSE) == "garage/2"
    assert sorted([EvseId("b", 1), EvseId("a", 10), EvseId("a", 2)]) == [
        EvseId("a", 2),
        EvseId("a", 10),
        EvseId("b", 1),
    ]


@given(st.text(max_size=40))
def test_a_token_shows_at_most_half_of_itself(uid: str) -> None:
    token = Token(uid)
    assert token == Token(uid.upper())
    assert token.uid == token.uid.strip()
    assert token.uid.endswith(token.last4)
    assert len(token.last4) <= min(4, len(token.uid) // 2)
    assert str(token) == f"…{token.last4}"
    assert repr(token) == "Token()"


def test_the_last_characters_are_for_people() -> None:
    assert Token("04a1b2c3").last4 == "B2C3"
    assert Token("1234").last4 == "34"
    assert Token("1").last4 == ""


@pytest.mark.parametrize(
    ("status", "plugged"),
    [
        (None, None),
        (EvseStatus.AVAILABLE, False),
        (EvseStatus.RESERVED, False),
        (EvseStatus.UNAVAILABLE, None),
        (EvseStatus.FAULTED, None),
        (EvseStatus.PREPARING, True),
        (EvseStatus.CHARGING, True),
        (EvseStatus.SUSPENDED_EV, True),
        (EvseStatus.SUSPENDED_EVSE, True),
        (EvseStatus.FINISHING, True),
    ],
)
def test_whether_a_cable_is_in(status: EvseStatus | None, plugged: bool | None) -> None:
    assert EvseState(evse=EVSE, status=status).plugged is plugged


def test_the_current_of_the_most_loaded_phase() -> None:
    assert Reading(at=NOON).max_current_a is None
    assert Reading(at=NOON, current_a=(None, None, None)).max_current_a is None
    assert Reading(at=NOON, current_a=(None, 7.5, 6.0)).max_current_a == 7.5


EARLIER = Reading(
    at=NOON,
    register_wh=1_000,
    power_w=3_600.0,
    current_a=(16.0, None, None),
    voltage_v=230.0,
    soc_percent=50.0,
)


def test_what_came_a_moment_ago_completes_a_reading() -> None:
    later = Reading(at=NOON + COMPLETES_FOR, context=ReadingContext.CLOCK, power_w=0.0)
    assert later.over(EARLIER) == replace(
        EARLIER, at=later.at, context=ReadingContext.CLOCK, power_w=0.0
    )


def test_what_came_long_ago_does_not() -> None:
    later = Reading(at=NOON + COMPLETES_FOR + timedelta(seconds=1), register_wh=1_100)
    assert later.over(EARLIER) == later
    assert later.over(None) == later


def test_at_rest_nothing_flows() -> None:
    rest = EARLIER.at_rest(NOON + timedelta(minutes=1))
    assert (rest.power_w, rest.max_current_a) == (0.0, 0.0)
    assert (rest.register_wh, rest.voltage_v, rest.soc_percent) == (1_000, 230.0, 50.0)


def test_a_transaction_is_open_until_it_ended() -> None:
    running = Transaction(
        id=1,
        evse=EVSE,
        session_id="s",
        started_at=NOON,
        meter_start_wh=0,
        last_wh=0,
        last_at=NOON,
    )
    assert running.open
    assert not replace(running, ended_at=NOON).open
