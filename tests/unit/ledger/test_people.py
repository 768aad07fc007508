"""Tokens that were shown, the people behind them, and that neither leaks."""

from dataclasses import replace
from pathlib import Path

from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.ledger import Ledger, LedgerUser, SeenToken

from .samples import ACCEPTED, CARD, KEY, NOON, REFUSED, minutes, session, started


async def test_refusals_come_newest_first(ledger: Ledger) -> None:
    await ledger.tap("garage", CARD, NOON, ACCEPTED)
    await ledger.tap("garage", CARD, NOON + minutes(1), REFUSED)
    await ledger.tap("yard", Token("12"), NOON + minutes(2), replace(REFUSED, user_id="ben"))
    first = SeenToken(
        station_id="garage",
        at=NOON + minutes(1),
        token_key=ledger.token_key(CARD),
        token_last4="E5F6",
        status=REFUSED.status,
        reason=REFUSED.reason,
    )
    second = replace(
        first,
        station_id="yard",
        at=NOON + minutes(2),
        token_key=ledger.token_key(Token("12")),
        token_last4="2",
        user_id="ben",
    )
    assert await ledger.refusals() == [second, first]
    assert await ledger.refusals(limit=1) == [second]
    assert await ledger.refusals(since=NOON + minutes(1.5)) == [second]


async def test_the_same_refused_card_counts_each_time(ledger: Ledger) -> None:
    await ledger.tap("garage", CARD, NOON, REFUSED)
    await ledger.tap("garage", CARD, NOON, REFUSED)
    assert len(await ledger.refusals()) == 2


async def test_a_token_key_depends_on_token_and_installation(ledger: Ledger, path: Path) -> None:
    assert ledger.token_key(CARD) == ledger.token_key(Token(f" {CARD.uid.lower()} "))
    assert ledger.token_key(CARD) != ledger.token_key(Token("OTHER"))
    assert len(ledger.token_key(CARD)) == 64
    await ledger.close()
    elsewhere = await Ledger.open(path, b"another secret")
    assert elsewhere.token_key(CARD) != ledger.token_key(CARD)
    await elsewhere.close()


async def test_the_number_of_a_card_is_in_no_file(ledger: Ledger, path: Path) -> None:
    """The number is read from every byte, also those of the WAL and of the copy for a backup."""
    await started(ledger)
    await ledger.tap("garage", CARD, NOON, REFUSED)
    await ledger.keep_orphan(
        station_id="garage", transaction_id=5, at=NOON, meter_stop_wh=1, token=CARD, reason=None
    )
    await ledger.snapshot()
    written = [file for file in path.parent.rglob("*") if file.is_file()]
    assert {file.suffix for file in written} >= {".db", ".db-wal"}
    content = b"".join(file.read_bytes() for file in written)
    assert ledger.token_key(CARD).encode() in content
    assert KEY not in content
    for secret in (CARD.uid[1:], CARD.uid[:-1]):
        assert secret.encode() not in content.upper()


async def test_names_outlive_users(ledger: Ledger) -> None:
    await ledger.remember_user("anna", "Anna")
    await ledger.remember_user("ben", "Ben")
    await ledger.save(session(user_id="anna"))
    await ledger.deactivate_user("anna", NOON)
    await ledger.deactivate_user("anna", NOON + minutes(1))
    await ledger.deactivate_user("nobody", NOON)
    assert await ledger.users() == {
        "anna": LedgerUser(name="Anna", deactivated_at=NOON),
        "ben": LedgerUser(name="Ben"),
    }
    assert len(await ledger.sessions(user_id="anna")) == 1


async def test_a_user_may_be_renamed_and_come_back(ledger: Ledger) -> None:
    await ledger.remember_user("anna", "Anna")
    await ledger.remember_user("anna", "Anna B.")
    assert await ledger.users() == {"anna": LedgerUser(name="Anna B.")}
    await ledger.deactivate_user("anna", NOON)
    await ledger.remember_user("anna", "Anna B.")
    assert await ledger.users() == {"anna": LedgerUser(name="Anna B.")}
