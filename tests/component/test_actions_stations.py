"""What is asked of stations themselves: calls of OCPP, and tests."""

from collections.abc import Callable
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest

from custom_components.forecourt.stations.base import CanTest
from simulator import Ocpp16Station

from .asking import FAMILY, call, device, login_of, refused
from .conftest import Commanded, SetUp, Time, plant

PLANTED = "0123456789abcdef"


@pytest.fixture
async def wallbox(
    set_up_site: SetUp, dial_in: Callable[..., Ocpp16Station], passing_time: Time
) -> Any:
    """Return a station that is connected to a site with a family, and is set up."""
    await set_up_site(subentries=FAMILY)
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(10)
        yield station


async def test_an_administrator_gets_the_answer_as_it_is(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    commands: Commanded,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plant(wallbox, AuthorizationKey=PLANTED)
    answer = await call(
        hass,
        "ocpp_call",
        login=login_of(hass, admin=True),
        device_id=device(hass, "Garage"),
        action="GetConfiguration",
        payload={"key": ["AuthorizationKey"]},
    )
    [setting] = answer["answer"]["configurationKey"]
    assert setting["value"] == PLANTED
    assert commands[-1] == ("GetConfiguration", {"key": ["AuthorizationKey"]})
    ours = [record for record in caplog.records if "forecourt" in record.name]
    assert PLANTED not in "\n".join(record.getMessage() for record in ours)


async def test_an_automation_calls_without_a_payload_by_an_outlet(
    hass: HomeAssistant, wallbox: Ocpp16Station
) -> None:
    answer = await call(hass, "ocpp_call", device_id=device(hass), action="GetLocalListVersion")
    assert set(answer["answer"]) == {"listVersion"}


async def test_no_other_login_calls_or_tests(hass: HomeAssistant, wallbox: Ocpp16Station) -> None:
    for login in (login_of(hass, "person.anna"), login_of(hass)):
        for action, data in (("ocpp_call", {"action": "ClearCache"}), ("test_station", {})):
            await refused(
                hass, "admin_only", action, login=login, device_id=device(hass, "Garage"), **data
            )


@pytest.mark.parametrize(
    ("sent", "key", "words"),
    [
        ({"action": "Reboot"}, "call_not_supported", "no call of a central system"),
        ({"action": "Reset"}, "command_refused", "type"),
        ({"action": "Reset", "payload": {"type": "Gentle"}}, "command_refused", "type"),
    ],
)
async def test_a_call_that_is_none(
    hass: HomeAssistant, wallbox: Ocpp16Station, sent: dict[str, Any], key: str, words: str
) -> None:
    error = await refused(hass, key, "ocpp_call", device_id=device(hass, "Garage"), **sent)
    assert error.translation_placeholders is not None
    assert error.translation_placeholders["station"] == "Garage"
    assert words in error.translation_placeholders["answer"]


async def test_a_station_that_does_not_know_a_call_says_so(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site()
    station_id = device(hass, "Garage")
    await refused(
        hass, "station_offline", "ocpp_call", device_id=station_id, action="GetDiagnostics"
    )
    await refused(hass, "station_offline", "test_station", device_id=station_id)
    async with dial_in(feature_profiles=("Core", "SmartCharging")) as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(10)
        error = await refused(
            hass,
            "call_not_supported",
            "ocpp_call",
            device_id=station_id,
            action="GetDiagnostics",
            payload={"location": "ftp://127.0.0.1/"},
        )
        assert error.translation_placeholders == {"station": "Garage", "answer": "NotSupported"}


async def test_a_test_tells_what_was_found(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    told = await passing_time.during(call(hass, "test_station", device_id=device(hass, "Garage")))
    assert told["station"] == "Garage"
    assert told["protocol"] == "ocpp1.6"
    assert told["quirks"] == []
    outcomes = {found["probe"]: found["outcome"] for found in told["findings"]}
    assert outcomes["status"] == outcomes["unlock"] == outcomes["reservation"] == "ok"
    assert outcomes["limit_followed"] == "skipped"
    assert all(set(found) == {"probe", "outcome", "detail"} for found in told["findings"])


async def test_quirks_are_named(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site()
    async with dial_in(vendor="Huawei") as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(10)
        told = await passing_time.during(
            call(hass, "test_station", device_id=device(hass, "Garage"))
        )
    assert told["quirks"] == ["limits in watts only"]


async def test_a_station_that_cannot_be_tested(hass: HomeAssistant, wallbox: Ocpp16Station) -> None:
    [entry] = hass.config_entries.async_entries("forecourt")
    entry.runtime_data.central.stations["GARAGE"].lacks.add(CanTest)
    await refused(hass, "not_supported", "test_station", device_id=device(hass, "Garage"))


async def test_a_station_that_is_no_more_cannot_be_meant(
    hass: HomeAssistant, wallbox: Ocpp16Station
) -> None:
    [entry] = hass.config_entries.async_entries("forecourt")
    registry = dr.async_get(hass)
    left = registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("forecourt", "station_GONE")}, name="Gone"
    )
    for station in (left.id, device(hass, "Home")):
        await refused(hass, "unknown_device", "test_station", device_id=station)
