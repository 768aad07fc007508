"""What is asked of entities of another integration, and what they tell."""

from typing import Any

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault
from custom_components.forecourt.stations.declarative.load import load_profile
from custom_components.forecourt.stations.declarative.profile import Order, Profile, Role
from custom_components.forecourt.stations.entities.by_hand import entities_profile
from custom_components.forecourt.stations.entities.ha import EntitiesLink

PROFILE = """
format: 1
id: test
vendor: Test
models: [Test]
protocol: entities
confidence: experimental
sources: [test]
readings:
  status: {entity: sensor.status, map: {idle: available, busy: charging}}
  power_w: {entity: sensor.power}
  limit_a: {entity: number.limit}
orders:
  limit_a: {read_back: limit_a, write: [{entity: number.limit, memory: unknown}]}
  pause: {write: [{entity: select.mode, value: "off"}]}
  resume: {write: [{entity: lock.box, value: false}]}
  unlock: {write: [{entity: button.unlock}]}
  phases: {write: [{entity: select.phases, map: {one: 1, three: 3}, memory: unknown}]}
"""


@pytest.fixture
def told(hass: HomeAssistant) -> list[tuple[str, str, dict[str, Any]]]:
    """Take every action that a link may call."""
    calls: list[tuple[str, str, dict[str, Any]]] = []

    async def take(call: ServiceCall) -> None:
        calls.append((call.domain, call.service, dict(call.data)))
        if call.domain == "button":
            raise HomeAssistantError("stuck")

    for domain, action in (
        ("number", "set_value"),
        ("select", "select_option"),
        ("lock", "lock"),
        ("lock", "unlock"),
        ("switch", "turn_on"),
        ("switch", "turn_off"),
        ("button", "press"),
    ):
        hass.services.async_register(domain, action, take)
    return calls


@pytest.fixture
def profile() -> Profile:
    return load_profile(PROFILE, name="test")


async def test_what_they_tell(hass: HomeAssistant, profile: Profile) -> None:
    link = EntitiesLink(hass, profile)
    for attempt in (link.open, link.read):
        with pytest.raises(LinkError) as raised:
            await attempt()
        assert raised.value.fault is LinkFault.TIMEOUT
    assert not link.connected
    hass.states.async_set("sensor.status", "idle")
    hass.states.async_set("sensor.power", "1.5", {"unit_of_measurement": "kW"})
    hass.states.async_set("number.limit", "unavailable")
    await link.open()
    values = (await link.read()).outlets[1]
    assert values == {Role.STATUS: "available", Role.POWER_W: 1500, Role.LIMIT_A: None}
    news: list[bool] = []
    stop = link.on_news(lambda: news.append(True))
    hass.states.async_set("sensor.status", "strange")
    hass.states.async_set("sensor.power", "nonsense")
    await hass.async_block_till_done()
    assert news
    stop()
    sample = await link.read()
    assert sample.unknown[Role.STATUS] == "strange"
    assert sample.outlets[1][Role.STATUS] is None
    assert link.has(Role.STATUS)
    assert link.has(Order.LIMIT_A)
    assert not link.has(Role.TOKEN)
    await link.close()


async def test_what_they_are_told(
    hass: HomeAssistant, profile: Profile, told: list[tuple[str, str, dict[str, Any]]]
) -> None:
    hass.states.async_set("number.limit", "16000", {"unit_of_measurement": "mA"})
    link = EntitiesLink(hass, profile)
    await link.tell(Order.LIMIT_A, 10)
    await link.tell(Order.PAUSE)
    await link.tell(Order.RESUME)
    await link.tell(Order.PHASES, 3)
    with pytest.raises(LinkError, match="stuck"):
        await link.tell(Order.UNLOCK)
    with pytest.raises(LinkError) as raised:
        await link.tell(Order.RENEW)
    assert raised.value.fault is LinkFault.NOT_SUPPORTED
    assert told == [
        ("number", "set_value", {"entity_id": "number.limit", "value": 10_000}),
        ("select", "select_option", {"entity_id": "select.mode", "option": "off"}),
        ("lock", "unlock", {"entity_id": "lock.box"}),
        ("select", "select_option", {"entity_id": "select.phases", "option": "three"}),
        ("button", "press", {"entity_id": "button.unlock"}),
    ]


async def test_what_a_user_picked(
    hass: HomeAssistant, told: list[tuple[str, str, dict[str, Any]]]
) -> None:
    profile = entities_profile(
        {
            "status": "sensor.status",
            "status_available": "Free, Idle",
            "status_charging": "Busy",
            "set_limit_a": "number.limit",
            "set_pause": "switch.charge",
        }
    )
    hass.states.async_set("sensor.status", "Idle")
    link = EntitiesLink(hass, profile)
    assert (await link.read()).outlets[1][Role.STATUS] == "available"
    await link.tell(Order.PAUSE)
    await link.tell(Order.RESUME)
    assert [call[1] for call in told] == ["turn_off", "turn_on"]


async def test_an_entity_that_takes_no_orders(hass: HomeAssistant) -> None:
    profile = load_profile(PROFILE.replace("select.mode", "sensor.mode"), name="test")
    with pytest.raises(LinkError) as raised:
        await EntitiesLink(hass, profile).tell(Order.PAUSE)
    assert raised.value.fault is LinkFault.NOT_SUPPORTED
