"""Sessions: who pays for which watt-hours, and how much."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import (
    Session,
    SessionFlag,
    SessionStatus,
    Transaction,
)
from custom_components.forecourt.core.sessions.tracker import (
    Charge,
    abandon,
    begin,
    close,
    count,
    finish,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVSE = EvseId("garage", 1)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def began(
    previous: Session | None = None,
    user_id: str | None = "anna",
    at: datetime = NOON,
    plugged_at: datetime | None = None,
    flags: Sequence[SessionFlag] = (),
) -> tuple[Session | None, Session]:
    return begin(
        previous,
        evse=EVSE,
        at=at,
        user_id=user_id,
        token_last4="E5F6",
        currency="EUR",
        plugged_at=plugged_at,
        new_id=f"of {at}",
        flags=flags,
    )


def charge(number: int = 1, meter_start_wh: int = 1_000, session: Session | None = None) -> Charge:
    """Return a charge as the books hold it after its start."""
    session = session or began()[1]
    started_at = session.started_at if number == 1 else minutes(10 * number)
    transaction = Transaction(
        id=number,
        evse=EVSE,
        session_id=session.id,
        started_at=started_at,
        meter_start_wh=meter_start_wh,
        last_wh=meter_start_wh,
        last_at=started_at,
    )
    return Charge(replace(session, transaction_id=number), transaction)


def ended(of: Charge, minute: float, meter_stop_wh: int, price: str | None = "0.30") -> Charge:
    return finish(
        of,
        at=minutes(minute),
        meter_stop_wh=meter_stop_wh,
        reason="Local",
        price_per_kwh=None if price is None else Decimal(price),
    )


# --- who ------------------------------------------------------------------------------------------


def test_a_first_start_opens_a_session() -> None:
    closed, session = began(plugged_at=minutes(-2))
    assert closed is None
    assert session == Session(
        id=f"of {NOON}",
        evse=EVSE,
        user_id="anna",
        started_at=NOON,
        currency="EUR",
        plugged_at=minutes(-2),
        token_last4="E5F6",
    )


@pytest.mark.parametrize("told", [None, minutes(3)])
def test_a_car_was_plugged_in_when_it_began_to_charge_at_the_latest(told: datetime | None) -> None:
    assert began(plugged_at=told)[1].plugged_at == NOON


def test_the_same_user_goes_on_with_the_session() -> None:
    first = ended(charge(), 5, 1_100).session
    closed, session = began(first, at=minutes(10), flags=[SessionFlag.OFFLINE])
    assert closed is None
    assert session == replace(first, ended_at=None, flags=frozenset({SessionFlag.OFFLINE}))


def test_another_user_ends_the_session_where_it_stopped_charging() -> None:
    first = ended(charge(), 5, 1_100).session
    closed, session = began(first, "ben", minutes(10))
    assert closed is not None
    assert closed.status is SessionStatus.CLOSED
    assert (closed.ended_at, closed.unplugged_at) == (minutes(5), minutes(5))
    assert (closed.user_id, closed.energy_wh) == ("anna", 100)
    assert session.id != first.id
    assert (session.user_id, session.energy_wh, session.cost) == ("ben", 0, None)


def test_another_user_ends_a_session_that_never_ended() -> None:
    closed, _ = began(began()[1], "ben", minutes(10))
    assert closed is not None
    assert (closed.ended_at, closed.unplugged_at) == (minutes(10), minutes(10))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((), (SessionFlag.UNAUTHORIZED,)),
        ((SessionFlag.UNAUTHORIZED,), ()),
        ((SessionFlag.UNAUTHORIZED,), (SessionFlag.UNAUTHORIZED,)),
    ],
)
def test_an_unauthorised_charge_has_a_session_of_its_own(
    before: tuple[SessionFlag, ...], now: tuple[SessionFlag, ...]
) -> None:
    first = began(user_id=None, flags=before)[1]
    closed, session = began(first, None, minutes(10), flags=now)
    assert closed is not None
    assert session.id != first.id
    assert session.flags == frozenset(now)


# --- how much -------------------------------------------------------------------------------------

PRICES = st.none() | st.decimals("-0.5", "2", places=4)


@given(
    st.lists(st.tuples(st.integers(0, 2_000), PRICES), max_size=8),
    st.integers(0, 2_000),
    PRICES,
)
def test_cost_is_the_sum_of_what_each_watt_hour_cost_then(
    steps: list[tuple[int, Decimal | None]], last_step: int, last_price: Decimal | None
) -> None:
    now, register = charge(), 1_000
    expected, priced_wh, unpriced_wh = Decimal(0), 0, 0
    for minute, (added_wh, price) in enumerate([*steps, (last_step, last_price)], start=1):
        register += added_wh
        if minute <= len(steps):
            now = count(now, register, minutes(minute), price)
        else:
            now = finish(
                now, at=minutes(minute), meter_stop_wh=register, reason=None, price_per_kwh=price
            )
        if price is None:
            unpriced_wh += added_wh
        else:
            priced_wh += added_wh
            expected += Decimal(added_wh) * price / 1000
    session = now.session
    assert session.energy_wh == register - 1_000 == priced_wh + unpriced_wh
    assert session.unpriced_wh == unpriced_wh
    assert (SessionFlag.PRICE_MISSING in session.flags) == (unpriced_wh > 0)
    assert (session.cost or Decimal(0)) == expected
    assert (session.cost is None) == (not priced_wh)


def test_decimals_are_exact() -> None:
    now = charge()
    for minute, register in enumerate(range(1_001, 1_101), start=1):
        now = count(now, register, minutes(minute), Decimal("0.1"))
    assert now.session.cost == Decimal("0.0100")


def test_while_nothing_was_charged_there_is_no_cost() -> None:
    assert count(charge(), 1_000, minutes(1), Decimal("0.30")).session.cost is None


def test_what_was_charged_without_a_price_is_not_free_once_there_is_one() -> None:
    now = count(charge(), 1_500, minutes(1), None)
    now = ended(now, 2, 1_500)
    assert (now.session.cost, now.session.unpriced_wh) == (None, 500)


def test_a_correction_takes_back_first_what_nobody_pays_for() -> None:
    now = count(charge(), 1_004, minutes(1), None)
    now = count(now, 1_500, minutes(2), Decimal("0.50"))
    now = ended(now, 3, 1_490, "0.50")
    assert now.session.energy_wh == 490
    assert now.session.unpriced_wh == 0
    assert now.session.cost == (496 - 6) * Decimal("0.50") / 1000


def test_a_correction_takes_back_no_more_than_itself() -> None:
    now = ended(count(charge(), 1_500, minutes(1), None), 2, 1_490, "0.50")
    assert (now.session.energy_wh, now.session.unpriced_wh) == (490, 490)
    assert now.session.cost is None


def test_a_correction_without_a_price_leaves_the_cost() -> None:
    now = ended(count(charge(), 1_500, minutes(1), Decimal("0.50")), 2, 1_495, None)
    assert (now.session.energy_wh, now.session.unpriced_wh) == (495, 0)
    assert now.session.cost == Decimal("0.25")
    assert SessionFlag.PRICE_MISSING not in now.session.flags


def test_energy_of_two_transactions_adds_up_in_the_session() -> None:
    first = ended(charge(), 5, 1_100)
    second = charge(2, 1_100, began(first.session, at=minutes(20))[1])
    second = ended(second, 30, 1_350)
    assert second.transaction.energy_wh == 250
    assert second.session.energy_wh == 350
    assert second.session.cost == Decimal("0.105")


def test_what_the_meter_did_is_flagged() -> None:
    now = charge()
    for minute, register in enumerate([0, 50], start=1):
        now = count(now, register, minutes(minute), None)
    assert SessionFlag.METER_ROLLBACK in now.session.flags
    assert SessionFlag.METER_MISMATCH in ended(charge(), 1, 500).session.flags


# --- how it ends ----------------------------------------------------------------------------------


def test_the_end_leaves_the_session_open_until_unplugged() -> None:
    now = finish(
        charge(),
        at=minutes(5),
        meter_stop_wh=1_100,
        reason="Local",
        price_per_kwh=None,
        flags=[SessionFlag.OFFLINE],
    )
    assert now.session.status is SessionStatus.OPEN
    assert not now.session.charging
    assert now.session.ended_at == minutes(5)
    assert not now.transaction.open
    assert (now.transaction.ended_at, now.transaction.stop_reason) == (minutes(5), "Local")
    assert now.session.flags == {SessionFlag.OFFLINE, SessionFlag.PRICE_MISSING}
    closed = close(now.session, minutes(60))
    assert closed.status is SessionStatus.CLOSED
    assert (closed.ended_at, closed.unplugged_at) == (minutes(5), minutes(60))


def test_a_charge_does_not_end_before_it_began() -> None:
    now = ended(charge(), -5, 1_500)
    assert now.session.ended_at == now.transaction.ended_at == now.transaction.started_at


def test_a_charge_that_was_given_up_ends_with_its_last_value() -> None:
    now = abandon(count(charge(), 1_100, minutes(4), Decimal(1)), minutes(90))
    assert not now.session.charging
    assert (now.session.ended_at, now.transaction.ended_at) == (minutes(4), minutes(4))
    assert now.session.energy_wh == 100
    assert now.session.flags == {SessionFlag.CLOSED_WITHOUT_STOP}
    assert now.transaction.meter_stop_wh is None


def test_a_charge_was_given_up_when_the_next_one_began_at_the_latest() -> None:
    now = abandon(count(charge(), 1_100, minutes(4), None), minutes(3))
    assert now.session.ended_at == minutes(3)


def test_a_late_end_amends() -> None:
    given_up = abandon(count(charge(), 1_100, minutes(4), Decimal(1)), minutes(90))
    closed = Charge(close(given_up.session, minutes(10)), given_up.transaction)
    now = ended(closed, 6, 1_160, "0.50")
    assert now.session.status is SessionStatus.CLOSED
    assert now.session.ended_at == minutes(6)
    assert now.session.energy_wh == 160
    assert now.session.cost == Decimal("0.13")
    assert now.session.flags == {SessionFlag.CLOSED_WITHOUT_STOP, SessionFlag.AMENDED}
    assert now.transaction.meter_stop_wh == 1_160


def test_a_late_end_of_an_exchanged_meter_amends() -> None:
    given_up = charge()
    for minute, register in enumerate([1_100, 0, 40], start=1):
        given_up = count(given_up, register, minutes(minute), None)
    now = ended(abandon(given_up, minutes(9)), 6, 70)
    assert now.session.energy_wh == 170


def test_a_late_end_leaves_the_charge_that_runs_now() -> None:
    first = abandon(charge(), minutes(20))
    second = charge(2, 1_100, began(first.session, at=minutes(20))[1])
    now = ended(Charge(second.session, first.transaction), 15, 1_090)
    assert now.session.transaction_id == 2
    assert now.session.ended_at is None
    assert now.session.energy_wh == 90


def test_a_late_end_does_not_end_the_session_earlier() -> None:
    first = abandon(charge(), minutes(20))
    second = ended(charge(2, 1_100, began(first.session, at=minutes(20))[1]), 40, 1_300)
    now = ended(Charge(second.session, first.transaction), 15, 1_090)
    assert now.session.ended_at == minutes(40)
    assert now.session.energy_wh == 290


def test_a_session_that_never_charged_ends_when_it_is_closed() -> None:
    closed = close(began()[1], minutes(7))
    assert (closed.ended_at, closed.unplugged_at) == (minutes(7), minutes(7))
