"""Sessions, transactions and readings: what is written comes back, once."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import ReadingContext
from custom_components.forecourt.core.model.session import SessionStatus
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.ledger import Ledger, LedgerError, Orphan, UserTotals

from .samples import CARD, EVSE, KEY, NOON, minutes, reading, session, started


async def test_a_start_books_session_and_transaction(ledger: Ledger) -> None:
    new = session(plugged_at=NOON - minutes(2))
    transaction = await ledger.start_transaction(new, CARD, NOON, 1000)
    assert transaction.id > 0
    assert transaction.open
    assert (transaction.meter_start_wh, transaction.last_wh, transaction.energy_wh) == (
        1000,
        1000,
        0,
    )
    assert transaction.token_key == ledger.token_key(CARD)
    assert transaction.token_last4 == "E5F6"
    charging = replace(new, transaction_id=transaction.id)
    assert await ledger.transaction(transaction.id) == (transaction, charging)
    assert await ledger.open_sessions() == [(charging, transaction)]


async def test_a_start_closes_the_session_before(ledger: Ledger) -> None:
    before, _ = await started(ledger)
    before = replace(before, status=SessionStatus.CLOSED, transaction_id=None, ended_at=NOON)
    after = session(started_at=NOON + minutes(5))
    transaction = await ledger.start_transaction(
        after, CARD, NOON + minutes(5), 1500, closing=before
    )
    assert await ledger.sessions() == [replace(after, transaction_id=transaction.id), before]
    assert [entry for entry, _ in await ledger.open_sessions()] == [
        replace(after, transaction_id=transaction.id)
    ]


async def test_a_second_transaction_joins_the_session(ledger: Ledger) -> None:
    first, transaction = await started(ledger)
    await ledger.save(replace(first, transaction_id=None), replace(transaction, ended_at=NOON))
    second = await ledger.start_transaction(first, CARD, NOON + minutes(9), 1200)
    assert second.id > transaction.id
    assert second.session_id == transaction.session_id
    assert len(await ledger.sessions()) == 1


async def test_the_same_start_is_the_same_transaction(ledger: Ledger) -> None:
    first = await ledger.start_transaction(session(), CARD, NOON, 1000)
    assert await ledger.find_transaction(EVSE, CARD, NOON, 1000) == first
    # The repetition comes with a session of its own, which must not be booked.
    assert await ledger.start_transaction(session(), CARD, NOON, 1000) == first
    assert len(await ledger.sessions()) == 1


async def test_the_same_start_many_times_at_once(ledger: Ledger) -> None:
    starts = [ledger.start_transaction(session(), CARD, NOON, 1000) for _ in range(20)]
    assert {transaction.id for transaction in await asyncio.gather(*starts)} == {1}
    assert len(await ledger.sessions()) == 1


async def test_a_start_that_was_given_up_may_be_repeated(ledger: Ledger) -> None:
    given_up = asyncio.create_task(ledger.start_transaction(session(), CARD, NOON, 1000))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    transaction = await ledger.start_transaction(session(), CARD, NOON, 1000)
    assert [found for _, found in await ledger.open_sessions()] == [transaction]


@pytest.mark.parametrize(
    ("evse", "token", "late", "meter_start_wh"),
    [
        (EvseId("garage", 2), CARD, 0, 1000),
        (EvseId("yard", 1), CARD, 0, 1000),
        (EVSE, Token("OTHER"), 0, 1000),
        (EVSE, CARD, 1, 1000),
        (EVSE, CARD, 0, 1001),
    ],
)
async def test_another_start_is_another_transaction(
    ledger: Ledger, evse: EvseId, token: Token, late: int, meter_start_wh: int
) -> None:
    first = await ledger.start_transaction(session(), CARD, NOON, 1000)
    at = NOON + minutes(late)
    assert await ledger.find_transaction(evse, token, at, meter_start_wh) is None
    second = await ledger.start_transaction(session(evse=evse), token, at, meter_start_wh)
    assert second.id > first.id


async def test_ids_are_not_given_again_after_a_delete(ledger: Ledger) -> None:
    _, transaction = await started(ledger)
    await ledger._run(lambda connection: connection.exec_driver_sql("DELETE FROM transactions"))
    _, after = await started(ledger)
    assert after.id > transaction.id


async def test_a_state_is_replaced_and_who_and_when_are_not(ledger: Ledger) -> None:
    current, transaction = await started(ledger)
    current = replace(current, energy_wh=500, cost=Decimal("0.15"), user_id="ben")
    counted = replace(
        transaction,
        last_wh=1500,
        last_at=NOON + minutes(30),
        energy_wh=500,
        suspect_wh=3,
        suspect_last_wh=4,
    )
    await ledger.save(current, replace(counted, token_key="forged", meter_start_wh=7))
    assert await ledger.transaction(transaction.id) == (counted, current)
    ended = replace(
        counted,
        suspect_wh=None,
        suspect_last_wh=None,
        ended_at=NOON + minutes(60),
        meter_stop_wh=1500,
        stop_reason="Local",
    )
    closed = replace(current, transaction_id=None, status=SessionStatus.CLOSED)
    await ledger.save(closed, ended)
    assert await ledger.transaction(transaction.id) == (ended, closed)
    assert await ledger.open_sessions() == []


async def test_nothing_of_a_failed_save_is_stored(ledger: Ledger) -> None:
    current, transaction = await started(ledger)
    with pytest.raises(LedgerError, match="transaction 99 was never started"):
        await ledger.save(replace(current, energy_wh=1), replace(transaction, id=99))
    with pytest.raises(ValueError, match="time zone"):
        await ledger.save(
            replace(current, energy_wh=1), transaction, [reading(1, at=NOON.replace(tzinfo=None))]
        )
    with pytest.raises(ValueError, match="shorter"):
        await ledger.save(replace(current, energy_wh=1), transaction, [reading(1)], [])
    assert await ledger.transaction(transaction.id) == (transaction, current)


async def test_a_full_disk_is_an_error_and_the_ledger_goes_on(ledger: Ledger) -> None:
    current, transaction = await started(ledger)

    async def limit(pages: int) -> None:
        await ledger._run(
            lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        )

    troubles: list[str | None] = []
    ledger.watch(troubles.append)
    await limit(1)
    flood = [reading(minute) for minute in range(1000)]
    with pytest.raises(LedgerError, match="full"):
        await ledger.save(replace(current, energy_wh=1), transaction, flood)
    await limit(1_000_000)
    assert await ledger.transaction(transaction.id) == (transaction, current)
    assert await ledger.save(current, transaction, flood) == 1000
    assert troubles == ["database or disk is full", None]


async def test_readings_that_are_there_already_are_not_booked_again(ledger: Ledger) -> None:
    current, transaction = await started(ledger)
    first = [reading(0), reading(1)]
    assert await ledger.save(current, transaction, first) == 2
    assert await ledger.save(current, transaction, first) == 0
    more = [reading(1, register_wh=9999), reading(1, context=ReadingContext.END), reading(2)]
    assert await ledger.save(current, transaction, more) == 2
    stored = [entry for entry, _ in await ledger.readings(current)]
    assert stored == [*first, *more[1:]]


async def test_readings_without_a_transaction_are_known_by_their_evse(ledger: Ledger) -> None:
    here, there = session(), session(evse=EvseId("garage", 2))
    assert await ledger.save(here, readings=[reading(0), reading(1)]) == 2
    assert await ledger.save(here, readings=[reading(1), reading(2)]) == 1
    assert await ledger.save(there, readings=[reading(1)]) == 1


async def test_the_readings_of_a_session(ledger: Ledger) -> None:
    early = session(plugged_at=NOON - minutes(9))
    transaction = await ledger.start_transaction(early, CARD, NOON, 1000)
    early = replace(early, unplugged_at=NOON + minutes(20), status=SessionStatus.CLOSED)
    late = session(started_at=NOON + minutes(30))
    await ledger.save(early, readings=[reading(-10), reading(-5)])
    await ledger.save(
        early, transaction, [reading(10), reading(5)], [Decimal("-0.020"), Decimal("0.30")]
    )
    # Told late by the station, but in its transaction: it belongs there whatever its time.
    await ledger.save(early, transaction, [reading(40)])
    await ledger.save(late, readings=[reading(30), reading(50)], prices=[None, Decimal(1)])
    assert await ledger.readings(early) == [
        (reading(-5), None),
        (reading(5), Decimal("0.30")),
        (reading(10), Decimal("-0.020")),
        (reading(40), None),
    ]
    assert await ledger.readings(late) == [(reading(30), None), (reading(50), Decimal(1))]


async def test_the_energy_of_each_evse_counts_on_from_its_first_meter_value(ledger: Ledger) -> None:
    assert await ledger.energy_registers() == {}
    current, transaction = await started(ledger)
    await ledger.save(current, replace(transaction, energy_wh=300))
    new_meter = await ledger.start_transaction(current, CARD, NOON + minutes(60), 5)
    await ledger.save(current, replace(new_meter, energy_wh=20))
    await started(ledger, evse=EvseId("yard", 2))
    assert await ledger.energy_registers() == {EVSE: 1320, EvseId("yard", 2): 1000}


async def test_an_unknown_transaction(ledger: Ledger) -> None:
    assert await ledger.transaction(1) is None


async def test_open_sessions_come_oldest_first(ledger: Ledger) -> None:
    later = session(started_at=NOON + minutes(1))
    idle = session()
    await ledger.save(later)
    await ledger.save(idle)
    await ledger.save(session(status=SessionStatus.CLOSED))
    charging, transaction = await started(ledger, started_at=NOON + minutes(2))
    assert await ledger.open_sessions() == [(idle, None), (later, None), (charging, transaction)]


async def test_what_was_open_is_open_after_a_restart(ledger: Ledger, path: Path) -> None:
    charging, transaction = await started(ledger)
    await ledger.save(charging, transaction, [reading(1)])
    await ledger.close()
    again = await Ledger.open(path, KEY)
    try:
        assert await again.open_sessions() == [(charging, transaction)]
        assert await again.find_transaction(EVSE, CARD, NOON, 1000) == transaction
        assert (await again.start_transaction(session(), CARD, NOON, 1)).id > transaction.id
    finally:
        await again.close()


async def test_sessions_are_found_by_user_station_and_time(ledger: Ledger) -> None:
    book = [
        session(started_at=NOON + minutes(count), user_id=user_id, evse=EvseId(station_id, 1))
        for count, (user_id, station_id) in enumerate(
            [("anna", "garage"), ("ben", "garage"), ("anna", "yard"), (None, "yard")]
        )
    ]
    for entry in book:
        await ledger.save(entry)
    assert await ledger.sessions() == book[::-1]
    assert await ledger.sessions(limit=1) == [book[3]]
    assert await ledger.sessions(user_id="anna") == [book[2], book[0]]
    assert await ledger.sessions(station_id="garage") == [book[1], book[0]]
    assert await ledger.sessions(user_id="anna", station_id="yard") == [book[2]]
    assert await ledger.sessions(start=NOON + minutes(1), end=NOON + minutes(3)) == [
        book[2],
        book[1],
    ]


async def test_totals_are_exact_and_unknown_is_not_zero(ledger: Ledger) -> None:
    for user_id, cost, minute in [
        ("anna", Decimal("0.1"), 0),
        ("anna", Decimal("0.2"), 1),
        ("anna", None, 2),
        ("anna", Decimal(100), -1),
        ("ben", None, 0),
        ("carl", Decimal("0.00"), 0),
        (None, Decimal(5), 0),
    ]:
        await ledger.save(
            session(user_id=user_id, cost=cost, energy_wh=10, started_at=NOON + minutes(minute))
        )
    assert await ledger.user_totals(NOON) == {
        "anna": UserTotals(energy_wh=30, cost=Decimal("0.3")),
        "ben": UserTotals(energy_wh=10, cost=None),
        "carl": UserTotals(energy_wh=10, cost=Decimal(0)),
    }


async def test_an_orphan_is_kept_once(ledger: Ledger) -> None:
    end = {"station_id": "garage", "at": NOON, "meter_stop_wh": 1500, "reason": "Local"}
    assert await ledger.keep_orphan(transaction_id=-1, token=CARD, **end)
    assert not await ledger.keep_orphan(transaction_id=-1, token=CARD, **end)
    assert await ledger.keep_orphan(transaction_id=77, token=None, **end)
    assert await ledger.orphans() == [
        Orphan(transaction_id=-1, token_key=ledger.token_key(CARD), token_last4="E5F6", **end),
        Orphan(transaction_id=77, **end),
    ]
