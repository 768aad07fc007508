"""Cards that were shown for a user and wait for an administrator's yes."""

from dataclasses import dataclass
from itertools import count

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .core.model.ids import EvseId
from .core.model.token import Token

ISSUE_TOKEN_OFFER = "token_offer"  # noqa: S105 - the name of an issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A card, the user who may get it, and where it was shown."""

    token: Token
    user_id: str
    evse: EvseId


class Offers:
    """The offered cards by number, in memory only: a restart is a no.

    Each is a repair issue. Every login can read those, so it names neither the
    card nor the user; the dialog behind it is for administrators and does.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        """Start without offers."""
        self._hass = hass
        self._offers: dict[int, Offer] = {}
        self._numbers = count(1)

    def get(self, number: int) -> Offer | None:
        """Return an offer, `None` for one that is over."""
        return self._offers.get(number)

    @callback
    def add(self, offer: Offer) -> None:
        """Ask whether the card shall be given; what was asked before for the same card is over."""
        for number, other in list(self._offers.items()):
            if other.token == offer.token:
                self.take(number)
        number = next(self._numbers)
        self._offers[number] = offer
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{ISSUE_TOKEN_OFFER}_{number}",
            data={"offer": number},
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_TOKEN_OFFER,
        )

    @callback
    def take(self, number: int) -> Offer | None:
        """End an offer, and return it."""
        ir.async_delete_issue(self._hass, DOMAIN, f"{ISSUE_TOKEN_OFFER}_{number}")
        return self._offers.pop(number, None)

    @callback
    def clear(self) -> None:
        """End every offer."""
        for number in list(self._offers):
            self.take(number)
