"""Secrets that come a moment before, and go with, whom they belong to."""

from datetime import UTC, datetime
from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.forecourt.core.access.authorize import TokenRecord
from custom_components.forecourt.core.model.token import Token, TokenKind
from custom_components.forecourt.vault import Vault


async def test_a_card_waits_for_its_user_and_goes_with_them(hass: HomeAssistant) -> None:
    vault = Vault(hass)
    await vault.load()
    await vault.add_token(Token("04AABB"), "anna", is_coming=True)
    # Somebody else is edited before Anna is there.
    await vault.keep_users({"ben"})
    assert [str(record.token) for record in vault.tokens_of("anna")] == ["…ABB"]
    await vault.keep_users({"anna", "ben"})
    assert vault.tokens_of("anna")
    await vault.keep_users({"ben"})
    assert vault.tokens == []
    again = Vault(hass)
    await again.load()
    assert (again.tokens, again.key) == ([], vault.key)


async def test_what_a_card_is_good_for_is_kept(hass: HomeAssistant) -> None:
    vault = Vault(hass)
    await vault.load()
    card, fleet = Token("04AABB", TokenKind.CARD_15693), Token("04CCDD")
    await vault.add_token(card, "anna")
    await vault.add_token(fleet, "anna")
    until = datetime(2026, 6, 1, 12, tzinfo=UTC)
    await vault.update_token(card, blocked=True, expires_at=until)
    await vault.update_token(fleet, max_sessions=None)
    again = Vault(hass)
    await again.load()
    assert again.tokens == [
        TokenRecord(token=card, user_id="anna", blocked=True, expires_at=until),
        TokenRecord(token=fleet, user_id="anna", max_sessions=None),
    ]
    assert again.tokens[0].token.kind is TokenKind.CARD_15693
    # What is not named stays.
    await again.update_token(card, blocked=False)
    await again.update_token(fleet, max_sessions=3)
    await again.update_token(card, expires_at=None)
    assert again.tokens == [
        TokenRecord(token=card, user_id="anna"),
        TokenRecord(token=fleet, user_id="anna", max_sessions=3),
    ]
    with pytest.raises(KeyError, match="…98"):
        await again.update_token(Token("0498"), blocked=True)


async def test_a_store_of_before_is_read(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    hass_storage["forecourt.vault"] = {
        "version": 1,
        "minor_version": 1,
        "key": "forecourt.vault",
        "data": {
            "key": "00" * 32,
            "tokens": [{"uid": "04AABB", "user_id": "anna", "blocked": True}],
            "passwords": {},
        },
    }
    vault = Vault(hass)
    await vault.load()
    assert vault.tokens == [TokenRecord(token=Token("04AABB"), user_id="anna", blocked=True)]
