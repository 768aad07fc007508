"""What energy cost, and when."""

from decimal import Decimal

from custom_components.forecourt.ledger import Ledger

from .samples import NOON, minutes

CHEAP, DEAR = Decimal("0.2500"), Decimal("0.40")


async def rows(ledger: Ledger) -> int:
    count: int = await ledger._run(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM prices").scalar_one()
    )
    return count


async def test_the_price_of_a_time(ledger: Ledger) -> None:
    assert await ledger.price_at(NOON) is None
    await ledger.price_changed(NOON, CHEAP)
    await ledger.price_changed(NOON + minutes(60), DEAR)
    await ledger.price_changed(NOON + minutes(120), None)
    assert await ledger.price_at(NOON - minutes(1)) is None
    assert str(await ledger.price_at(NOON)) == "0.2500"
    assert await ledger.price_at(NOON + minutes(59)) == CHEAP
    assert await ledger.price_at(NOON + minutes(60)) == DEAR
    assert await ledger.price_at(NOON + minutes(500)) is None


async def test_only_a_change_is_written(ledger: Ledger) -> None:
    await ledger.price_changed(NOON, None)
    assert await rows(ledger) == 0
    for minute, price in enumerate((CHEAP, CHEAP, Decimal("0.25"), DEAR, DEAR, None, None)):
        await ledger.price_changed(NOON + minutes(minute), price)
    assert await rows(ledger) == 3


async def test_the_last_word_of_a_moment_counts(ledger: Ledger) -> None:
    await ledger.price_changed(NOON, CHEAP)
    await ledger.price_changed(NOON, DEAR)
    assert await ledger.price_at(NOON) == DEAR
    assert await rows(ledger) == 1
