"""Whatever the model can say comes back from the file as it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
import sqlite3

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading, ReadingContext
from custom_components.forecourt.core.model.session import Session, SessionFlag, SessionStatus
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
)
from custom_components.forecourt.ledger import Ledger, LedgerUser

from .samples import CARD, EVSE, NOON, session

# Each example adds to the same ledger, as in life.
many = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
WATT_HOURS = st.integers(-(2**40), 2**40)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda east: timezone(timedelta(minutes=east)))
# Far enough from both ends of the calendar that every zone can say it.
TIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES | st.just(UTC))  # noqa: DTZ001
MONEY = st.decimals(allow_nan=False, allow_infinity=False)
FLOATS = st.floats(allow_nan=False)
EVSES = st.builds(EvseId, WORDS, st.integers(1, 99))


def perhaps[T](values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


SESSIONS = st.builds(
    Session,
    id=st.uuids().map(str),
    evse=EVSES,
    user_id=perhaps(WORDS),
    started_at=TIMES,
    currency=WORDS,
    plugged_at=perhaps(TIMES),
    ended_at=perhaps(TIMES),
    unplugged_at=perhaps(TIMES),
    status=st.sampled_from(SessionStatus),
    energy_wh=WATT_HOURS,
    cost=perhaps(MONEY),
    unpriced_wh=WATT_HOURS,
    token_last4=perhaps(WORDS),
    transaction_id=perhaps(WATT_HOURS),
    flags=st.frozensets(st.sampled_from(SessionFlag)),
)
PHASES = st.tuples(perhaps(FLOATS), perhaps(FLOATS), perhaps(FLOATS))
READINGS = st.builds(
    Reading,
    at=TIMES,
    context=st.sampled_from(ReadingContext),
    register_wh=perhaps(WATT_HOURS),
    power_w=perhaps(FLOATS),
    # Three phases of which none was measured are stored as no measurement.
    current_a=perhaps(PHASES.filter(lambda phases: phases != (None, None, None))),
    voltage_v=perhaps(FLOATS),
    soc_percent=perhaps(FLOATS),
    clock_estimated=st.booleans(),
)

REFUSALS = st.builds(
    Authorization,
    status=st.sampled_from(list(AuthorizationStatus)[1:]),
    reason=st.sampled_from(AuthorizationReason),
    user_id=perhaps(WORDS),
)


@many
@given(entry=SESSIONS)
async def test_a_session(ledger: Ledger, entry: Session) -> None:
    await ledger.save(entry)
    stored = await ledger.sessions(
        station_id=entry.evse.station_id,
        start=entry.started_at,
        end=entry.started_at + timedelta(microseconds=1),
    )
    [found] = [other for other in stored if other.id == entry.id]
    assert found == entry
    # Equal is not enough: 0.10 must not become 0.1, and every time is in UTC.
    assert str(found.cost) == str(entry.cost)
    assert found.started_at.tzinfo is UTC


@many
@given(
    entry=SESSIONS,
    uid=WORDS,
    meter_start_wh=WATT_HOURS,
    state=st.fixed_dictionaries(
        {
            "last_wh": WATT_HOURS,
            "energy_wh": WATT_HOURS,
            "suspect_wh": perhaps(WATT_HOURS),
            "ended_at": perhaps(TIMES),
            "meter_stop_wh": perhaps(WATT_HOURS),
            "stop_reason": perhaps(WORDS),
        }
    ),
)
async def test_a_transaction(
    ledger: Ledger, entry: Session, uid: str, meter_start_wh: int, state: dict[str, object]
) -> None:
    known = await ledger.find_transaction(entry.evse, Token(uid), entry.started_at, meter_start_wh)
    transaction = await ledger.start_transaction(
        entry, Token(uid), entry.started_at, meter_start_wh
    )
    assert known in (None, transaction)
    entry = replace(entry, id=transaction.session_id, transaction_id=transaction.id)
    changed = replace(transaction, **state)
    await ledger.save(entry, changed)
    assert await ledger.transaction(transaction.id) == (changed, entry)


@many
@given(entry=READINGS, price=perhaps(MONEY))
async def test_a_reading(ledger: Ledger, entry: Reading, price: Decimal | None) -> None:
    charge = session(started_at=entry.at)
    transaction = await ledger.start_transaction(charge, CARD, entry.at, 0)
    charge = replace(charge, id=transaction.session_id)
    if await ledger.save(charge, transaction, [entry], [price]):
        stored = await ledger.readings(charge)
        assert (entry, price) in stored
        assert str(price) in {str(other) for _, other in stored}


@many
@given(at=TIMES, price=MONEY)
async def test_a_price(ledger: Ledger, at: datetime, price: Decimal) -> None:
    await ledger.price_changed(at, price)
    assert await ledger.price_at(at) == price


@many
@given(
    station_id=WORDS,
    token=st.builds(Token, WORDS),
    at=TIMES,
    answer=REFUSALS,
)
async def test_a_refusal(
    ledger: Ledger, station_id: str, token: Token, at: datetime, answer: Authorization
) -> None:
    await ledger.tap(station_id, token, at, answer)
    assert any(
        (seen.station_id, seen.at, seen.token_key, seen.token_last4)
        == (station_id, at, ledger.token_key(token), token.last4)
        and (seen.status, seen.reason, seen.user_id)
        == (answer.status, answer.reason, answer.user_id)
        for seen in await ledger.refusals(since=at)
    )


@many
@given(user_id=WORDS, name=WORDS, at=TIMES)
async def test_a_user(ledger: Ledger, user_id: str, name: str, at: datetime) -> None:
    await ledger.remember_user(user_id, name)
    await ledger.deactivate_user(user_id, at)
    assert (await ledger.users())[user_id] == LedgerUser(name=name, deactivated_at=at)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), 0.5, 1])
async def test_money_that_is_none(ledger: Ledger, value: Decimal) -> None:
    with pytest.raises(ValueError, match="finite Decimal"):
        await ledger.save(session(cost=value))


async def test_a_time_without_a_zone(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await ledger.price_at(NOON.replace(tzinfo=None))


async def test_a_word_that_is_none(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="not a valid SessionStatus"):
        await ledger.save(session(status="ajar"))


async def test_how_values_lie_in_the_file(ledger: Ledger) -> None:
    """Others read the file too, so its form is a promise."""
    flags = frozenset({SessionFlag.OFFLINE, SessionFlag.AMENDED})
    await ledger.save(session(cost=Decimal("1.20"), flags=flags))
    with sqlite3.connect(ledger.path) as file:
        row = file.execute("SELECT started_at, cost, status, flags, station_id, evse FROM sessions")
        assert row.fetchone() == (
            int(NOON.timestamp()) * 1_000_000,
            "1.20",
            "open",
            "amended offline",
            EVSE.station_id,
            EVSE.number,
        )
    file.close()
