"""Stations that name their transactions themselves, and starts that nobody identified for."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionStatus
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.ledger import Ledger, LedgerError, Orphan

from .samples import CARD, EVSE, NOON, minutes, session, started


async def test_a_transaction_is_found_by_the_name_its_station_gave(ledger: Ledger) -> None:
    new = session()
    transaction = await ledger.start_transaction(new, CARD, NOON, 1000, reference="tx-1")
    assert transaction.reference == "tx-1"
    charging = replace(new, transaction_id=transaction.id)
    found = (transaction, charging)
    assert await ledger.transaction(transaction.id) == found
    assert await ledger.transaction_by_reference("garage", "tx-1") == found
    assert await ledger.transaction_by_reference("yard", "tx-1") is None
    assert await ledger.transaction_by_reference("garage", "tx-2") is None
    ended = replace(transaction, ended_at=NOON)
    await ledger.save(replace(new, transaction_id=None), ended)
    assert await ledger.transaction_by_reference("garage", "tx-1") == (ended, new)


async def test_the_name_decides_whatever_else_is_told(ledger: Ledger) -> None:
    first = await ledger.start_transaction(session(), CARD, NOON, 1000, reference="tx-1")
    told_again: tuple[Any, ...] = (EvseId("garage", 2), None, NOON + minutes(5), 1)
    assert await ledger.find_transaction(*told_again, reference="tx-1") == first
    repeated = session(evse=EvseId("garage", 2))
    assert (
        await ledger.start_transaction(repeated, *told_again[1:], reference="tx-1")
    ).id == first.id
    # All the same but the name: a car that was plugged twice within a second.
    same: tuple[Any, ...] = (CARD, NOON, 1000)
    assert await ledger.find_transaction(EVSE, *same, reference="tx-2") is None
    second = await ledger.start_transaction(session(), *same, reference="tx-2")
    assert second.id > first.id
    unnamed = await ledger.start_transaction(session(), *same)
    assert unnamed.id > second.id
    assert await ledger.find_transaction(EVSE, *same) == unnamed


async def test_two_stations_may_give_the_same_name(ledger: Ledger) -> None:
    here = await ledger.start_transaction(session(), CARD, NOON, 1000, reference="1")
    there = session(evse=EvseId("yard", 1))
    other = await ledger.start_transaction(there, CARD, NOON, 1000, reference="1")
    assert other.id > here.id


@pytest.mark.parametrize("reference", [None, "tx-1"])
async def test_the_file_itself_takes_no_transaction_twice(
    ledger: Ledger, reference: str | None
) -> None:
    await ledger.start_transaction(session(), CARD, NOON, 1000, reference=reference)
    columns = (
        "station_id, evse, session_id, started_at, meter_start_wh, last_wh, last_at, energy_wh, "
        "token_key, reference"
    )
    again = f"INSERT INTO transactions ({columns}) SELECT {columns} FROM transactions"  # noqa: S608
    with pytest.raises(LedgerError, match="UNIQUE"):
        await ledger._run(lambda connection: connection.exec_driver_sql(again))


async def test_a_start_that_nobody_identified_for(ledger: Ledger) -> None:
    first = await ledger.start_transaction(session(), None, NOON, 1000)
    assert (first.token_key, first.token_last4) == (None, None)
    assert await ledger.find_transaction(EVSE, None, NOON, 1000) == first
    assert await ledger.start_transaction(session(), None, NOON, 1000) == first
    assert len(await ledger.sessions()) == 1
    assert await ledger.find_transaction(EVSE, None, NOON, 1001) is None
    assert await ledger.find_transaction(EVSE, CARD, NOON, 1000) is None
    assert (await ledger.start_transaction(session(), CARD, NOON, 1000)).id > first.id
    assert (await ledger.start_transaction(session(), Token(""), NOON, 1000)).token_key


async def test_an_orphan_of_any_name_is_kept_once(ledger: Ledger) -> None:
    end: dict[str, Any] = {"station_id": "garage", "at": NOON, "meter_stop_wh": 1500}
    names: list[dict[str, Any]] = [
        {"transaction_id": None, "reference": "tx-1"},
        {"transaction_id": None, "reference": "tx-2"},
        {"transaction_id": 7},
        {"transaction_id": 7, "reference": "tx-1"},
        {"transaction_id": None},
        {"transaction_id": 7, "meter_stop_wh": None},
    ]
    more: dict[str, Any] = {"token": None, "reason": None}
    for name in names:
        assert await ledger.keep_orphan(**end | name, **more)
    for name in names:
        assert not await ledger.keep_orphan(**end | name, **more)
    assert await ledger.keep_orphan(**end | {"station_id": "yard"}, **names[0], **more)
    assert await ledger.orphans() == [
        *(Orphan(**end | name) for name in names),
        Orphan(**end | {"station_id": "yard"}, reference="tx-1"),
    ]


async def test_the_transactions_of_sessions_come_oldest_first(ledger: Ledger) -> None:
    first, one = await started(ledger)
    late = await ledger.start_transaction(first, None, NOON + minutes(9), 5, reference="b")
    early = await ledger.start_transaction(first, None, NOON + minutes(5), 5, reference="a")
    empty = session(status=SessionStatus.CLOSED)
    await ledger.save(empty)
    second, other = await started(ledger, evse=EvseId("yard", 1))
    await started(ledger, evse=EvseId("yard", 2))
    assert await ledger.transactions_of([second.id, first.id, empty.id, "never"]) == {
        second.id: [other],
        first.id: [one, early, late],
        empty.id: [],
        "never": [],
    }
    assert await ledger.transactions_of([]) == {}


async def test_more_sessions_than_a_statement_has_parameters(ledger: Ledger) -> None:
    charging, transaction = await started(ledger)
    wanted = [charging.id, *map(str, range(300_000))]
    assert (await ledger.transactions_of(wanted))[charging.id] == [transaction]
