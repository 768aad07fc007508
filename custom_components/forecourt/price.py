"""What a kilowatt-hour costs, from the site's options or from an entity of Home Assistant."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, State, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from .const import CONF_PRICE, CONF_PRICE_ENTITY, DOMAIN
from .site import Site

ISSUE_PRICE_ENTITY = "price_entity"

# What prices per kilowatt-hour are told in, and would be a hundred times too high.
SUBUNITS = {"c", "cent", "cents", "ct", "cts", "¢", "p", "pence", "öre", "øre", "gr", "grosz"}


def read_price(state: State | None) -> Decimal | None:
    """Return the price that an entity shows, `None` where it shows no number."""
    if state is None or state.state in (STATE_UNKNOWN, STATE_UNAVAILABLE):
        return None
    try:
        price = Decimal(state.state)
    except InvalidOperation:
        return None
    return price if price.is_finite() else None


def per_kwh(unit: str | None) -> bool:
    """Return whether a price in this unit is one per kilowatt-hour, and not in cents.

    An entity without a unit is taken at its word.
    """
    if unit is None:
        return True
    money, _, energy = unit.partition("/")
    return energy.strip() == "kWh" and money.strip().casefold() not in SUBUNITS


class PriceFeed:
    """Tells the books the price per kilowatt-hour whenever it changes."""

    def __init__(self, hass: HomeAssistant, site: Site) -> None:
        """Start without a price."""
        self._hass = hass
        self._site = site
        self._entity_id: str | None = None
        self._unsubscribe: list[Callable[[], None]] = []

    async def follow(self, options: Mapping[str, Any]) -> None:
        """Follow the price that the options name: an entity, a fixed one, or none."""
        self.close()
        self._entity_id = options.get(CONF_PRICE_ENTITY)
        if self._entity_id is None:
            fixed = options.get(CONF_PRICE)
            await self._tell(None if fixed is None else Decimal(str(fixed)))
            ir.async_delete_issue(self._hass, DOMAIN, ISSUE_PRICE_ENTITY)
            return
        self._unsubscribe = [
            async_track_state_change_event(self._hass, self._entity_id, self._changed),
            # Entities of other integrations appear while Home Assistant starts.
            async_at_started(self._hass, self._check),
        ]
        await self._tell(read_price(self._hass.states.get(self._entity_id)))

    @callback
    def close(self) -> None:
        """Stop following."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()

    async def _changed(self, event: Event[EventStateChangedData]) -> None:
        self._check(self._hass)
        await self._tell(read_price(event.data["new_state"]))

    @callback
    def _check(self, hass: HomeAssistant) -> None:
        """Raise a repair issue while the entity is missing or shows no number."""
        assert self._entity_id is not None  # noqa: S101 - only an entity is checked
        state = hass.states.get(self._entity_id)
        if read_price(state) is not None:
            ir.async_delete_issue(hass, DOMAIN, ISSUE_PRICE_ENTITY)
            return
        ir.async_create_issue(
            hass,
            DOMAIN,
            ISSUE_PRICE_ENTITY,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_PRICE_ENTITY,
            translation_placeholders={
                "entity_id": self._entity_id,
                "state": "missing" if state is None else state.state,
            },
        )

    async def _tell(self, price_per_kwh: Decimal | None) -> None:
        await self._site.books.set_price(dt_util.utcnow(), price_per_kwh)
