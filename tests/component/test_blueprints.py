"""The blueprints do with real events what they promise."""

from pathlib import Path
import shutil

from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from simulator import Ocpp16Station

from .conftest import CARD_OF_ANNA, STRANGE_CARD, Time
from .test_actions import device

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"


async def automate(hass: HomeAssistant, blueprint: str, name: str, entity_id: str) -> None:
    """Make an automation of the blueprint, with its own suggestion of what to do."""
    await hass.async_add_executor_job(shutil.copytree, BLUEPRINTS, hass.config.path("blueprints"))
    automation = {"use_blueprint": {"path": f"forecourt/{blueprint}", "input": {name: entity_id}}}
    assert await async_setup_component(hass, "automation", {"automation": automation})
    assert await async_setup_component(hass, "persistent_notification", {})


def notifications(hass: HomeAssistant) -> list[tuple[str | None, str]]:
    found = persistent_notification._async_get_or_create_notifications(hass).values()
    return [(notification["title"], notification["message"]) for notification in found]


async def test_charge_finished(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await automate(hass, "charge_finished.yaml", "session", "event.garage_outlet_1_session")
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(20)
    await wallbox.unplug()
    await passing_time.passes(2)
    [(title, message)] = notifications(hass)
    assert title == "Charge finished at Garage"
    assert message.startswith("Anna charged 3.")
    assert message.endswith("EUR.")


async def test_refused_card(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await automate(hass, "refused_card.yaml", "card_reader", "event.garage_card_presented")
    assert await wallbox.tap(STRANGE_CARD) == "refused"
    await passing_time.passes(2)
    assert notifications(hass) == [
        ("Card refused at Garage", "A card ending in E5F6 was refused (unknown token).")
    ]
    await wallbox.plug(1, "family")
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(2)
    assert len(notifications(hass)) == 1


async def test_a_card_that_is_being_enrolled_is_not_told(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await automate(hass, "refused_card.yaml", "card_reader", "event.garage_card_presented")
    enrolment = hass.async_create_task(
        hass.services.async_call(
            "forecourt",
            "enrol_token",
            {"device_id": device(hass), "user": "Anna"},
            blocking=True,
        )
    )
    await passing_time.settle()
    assert await wallbox.tap(STRANGE_CARD) == "refused"
    await passing_time.passes(2)
    await enrolment
    assert notifications(hass) == []
