"""Secrets that come a moment before, and go with, whom they belong to."""

from homeassistant.core import HomeAssistant

from custom_components.forecourt.core.model.token import Token
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
