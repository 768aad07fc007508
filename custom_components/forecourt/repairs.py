"""What an administrator can put right with a click."""

from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import AbortFlow

from .flows.adding import site_entry
from .flows.running import running_hub
from .hub import Hub


class TokenOfferFlow(RepairsFlow):
    """Gives an offered card to the user it was offered to, or to nobody."""

    def __init__(self, offer: int) -> None:
        """Remember which card."""
        self._offer = offer

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask whether to give it."""
        hub = self._hub
        offer = hub.offers.get(self._offer)
        if offer is None:
            return self.async_abort(reason="offer_over")
        return self.async_show_menu(
            step_id="init",
            menu_options=["accept", "refuse"],
            description_placeholders={
                "last4": offer.token.last4,
                "evse": hub.evse_name(offer.evse),
                "user": hub.user_name(offer.user_id) or "",
            },
        )

    async def async_step_accept(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Give the card to its user."""
        if not await self._hub.accept_offer(self._offer):
            return self.async_abort(reason="offer_over")
        return self.async_create_entry(data={})

    async def async_step_refuse(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Forget the card."""
        self._hub.offers.take(self._offer)
        return self.async_create_entry(data={})

    @property
    def _hub(self) -> Hub:
        entry = site_entry(self.hass)
        if entry is None:
            raise AbortFlow("not_running")
        return running_hub(entry)


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, Any] | None
) -> RepairsFlow:
    """Return the dialog that fixes an issue."""
    assert data is not None  # noqa: S101 - the only issue that can be fixed so has data
    return TokenOfferFlow(data["offer"])
