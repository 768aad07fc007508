"""What users charged this month: when it is summed up, and when a month begins."""

from datetime import UTC, datetime
from decimal import Decimal

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session, SessionStatus
from custom_components.forecourt.ledger import Ledger, LedgerError, UserTotals
from simulator import Ocpp16Station

from .conftest import ANNA, CARD_OF_ANNA, STATION, SetUp, Time

ENERGY, COST = "sensor.anna_energy_this_month", "sensor.anna_cost_this_month"


def a_session(started_at: datetime, energy_wh: int, cost: Decimal | None) -> Session:
    return Session(
        id=started_at.isoformat(),
        evse=EvseId(STATION, 1),
        user_id=ANNA,
        started_at=started_at,
        ended_at=started_at,
        unplugged_at=started_at,
        currency="EUR",
        status=SessionStatus.CLOSED,
        energy_wh=energy_wh,
        cost=cost,
    )


def shown(hass: HomeAssistant, entity_id: str) -> tuple[str, object]:
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state, state.attributes.get("last_reset")


async def test_a_month_begins_where_home_assistant_is(
    hass: HomeAssistant,
    passing_time: Time,
    set_up_site: SetUp,
    freezer: FrozenDateTimeFactory,
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to("2026-11-30T22:00:00+00:00")
    entry = await set_up_site()
    ledger: Ledger = entry.runtime_data.ledger
    await ledger.save(a_session(datetime(2026, 11, 30, 22, 30, tzinfo=UTC), 1000, Decimal(1)))
    await ledger.save(a_session(datetime(2026, 11, 30, 23, 30, tzinfo=UTC), 2000, Decimal(2)))
    freezer.tick(2)
    await entry.runtime_data.usage.async_refresh()
    await hass.async_block_till_done()
    assert shown(hass, ENERGY) == ("3.0", "2026-10-31T23:00:00+00:00")

    async def becomes(moment: str) -> None:
        freezer.move_to(moment)
        await passing_time.settle()
        await passing_time.passes(1.25)

    await becomes("2026-11-30T22:59:50+00:00")
    assert shown(hass, ENERGY)[0] == "3.0"
    await becomes("2026-11-30T23:00:01+00:00")
    assert shown(hass, ENERGY) == ("2.0", "2026-11-30T23:00:00+00:00")
    assert shown(hass, COST)[0] == "2"
    # And it is the next one's turn a month later.
    await becomes("2026-12-31T23:00:01+00:00")
    assert shown(hass, ENERGY) == ("0.0", "2026-12-31T23:00:00+00:00")


async def test_another_time_zone_is_another_month(
    hass: HomeAssistant, set_up_site: SetUp, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to("2026-11-30T23:30:00+00:00")
    await hass.config.async_set_time_zone("UTC")
    await set_up_site()
    assert shown(hass, ENERGY)[1] == "2026-11-01T00:00:00+00:00"
    freezer.tick(2)
    await hass.config.async_update(time_zone="Europe/Berlin")
    await hass.async_block_till_done()
    assert shown(hass, ENERGY)[1] == "2026-11-30T23:00:00+00:00"


async def test_nothing_costs_nothing_but_energy_without_a_price_costs_who_knows(
    hass: HomeAssistant, set_up_site: SetUp, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to("2026-11-23T11:00:00+00:00")
    entry = await set_up_site()
    assert shown(hass, COST)[0] == "0"
    await entry.runtime_data.ledger.save(a_session(datetime(2026, 11, 23, tzinfo=UTC), 1000, None))
    freezer.tick(2)
    await entry.runtime_data.usage.async_refresh()
    await hass.async_block_till_done()
    assert shown(hass, COST)[0] == "unknown"


async def test_sums_are_made_seldom_and_never_for_nobody(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    passing_time: Time,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0
    totals = Ledger.user_totals

    async def count(self: Ledger, since: datetime) -> dict[str, UserTotals]:
        nonlocal asked
        asked += 1
        return await totals(self, since)

    monkeypatch.setattr(Ledger, "user_totals", count)
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(1)
    assert asked == 1
    assert hass.states.is_state("binary_sensor.anna_charging", "on")
    await passing_time.passes(150)
    assert 3 <= asked <= 4
    assert float(shown(hass, ENERGY)[0]) > 5

    [entry] = hass.config_entries.async_entries("forecourt")
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, "personal_data": "private"}
    )
    await passing_time.passes(1)
    asked = 0
    await passing_time.passes(65)
    assert asked == 0


async def test_a_station_that_is_removed_charges_nobody(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(2)
    [entry] = hass.config_entries.async_entries("forecourt")
    [station] = [s for s in entry.subentries.values() if s.subentry_type == "station"]
    hass.config_entries.async_remove_subentry(entry, station.subentry_id)
    await passing_time.passes(2)
    assert hass.states.is_state("binary_sensor.anna_charging", "off")


async def test_books_that_cannot_be_read(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    passing_time: Time,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise LedgerError("disk I/O error")

    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(2)
    monkeypatch.setattr(Ledger, "user_totals", fail)
    monkeypatch.setattr(Ledger, "sessions", fail)
    await wallbox.unplug()
    await passing_time.passes(62)
    assert shown(hass, ENERGY)[0] == STATE_UNAVAILABLE
    # Who charges does not come from the sums.
    assert hass.states.is_state("binary_sensor.anna_charging", "off")
    # The last session stays as it was last seen.
    assert hass.states.get("sensor.garage_outlet_1_session_energy") is not None
    assert "The last sessions of GARAGE cannot be read: disk I/O error" in caplog.text
