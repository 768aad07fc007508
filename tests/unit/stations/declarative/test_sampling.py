"""One picture of an outlet of the many values of its box."""

from datetime import UTC, datetime
import math

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.declarative.link import Sample
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    Profile,
    Role,
    Scalar,
)
from custom_components.forecourt.stations.declarative.sampling import Told, look

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PROFILE = Profile(
    id="test",
    vendor="Test",
    models=(),
    protocol="modbus",
    confidence=Confidence.READ,
    sources=(),
    transport=None,
    readings={},
)


def see(values: dict[Role, Scalar | None], **unknown: Scalar) -> Told:
    sample = Sample(outlets={1: values}, unknown={Role(role): raw for role, raw in unknown.items()})
    return look(sample, 1, PROFILE, NOON)


ANY = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("charging")
)


@given(values=st.dictionaries(st.sampled_from(Role), ANY))
def test_nothing_that_a_box_tells_breaks_it(values: dict[Role, Scalar | None]) -> None:
    told = see(values)
    for number in (told.power_w, told.energy_wh, told.session_wh, told.soc_percent, told.drawn_w):
        assert number is None or (math.isfinite(number) and number >= 0)
    for amps in told.current_a or ():
        assert amps is None or 0 <= amps <= 96
    assert told.drawing in (True, False, None)
    assert told.reading(1).register_wh == 1


def test_phases_are_put_together() -> None:
    told = see(
        {
            Role.POWER_W_1: 1_000,
            Role.POWER_W_2: 1_100.5,
            Role.POWER_W_3: 900,
            Role.CURRENT_A_1: 4.5,
            Role.CURRENT_A_2: None,
            Role.VOLTAGE_V_1: 230,
            Role.VOLTAGE_V_2: 232,
            Role.VOLTAGE_V_3: 0,
            Role.ENERGY_WH_1: 10,
            Role.ENERGY_WH_2: 20,
        }
    )
    assert told.power_w == 3_000.5
    assert told.current_a == (4.5, None, None)
    assert told.voltage_v == 231
    assert told.energy_wh == 30


def test_what_is_told_in_part_has_no_sum() -> None:
    told = see({Role.POWER_W_1: 1_000, Role.POWER_W_2: None})
    assert told.power_w is None


@pytest.mark.parametrize(
    ("phases", "current"), [(1, (8.0, 0.0, 0.0)), (2, (8.0, 8.0, 0.0)), (None, (8.0, 8.0, 8.0))]
)
def test_one_current_is_that_of_all_phases(
    phases: int | None, current: tuple[float, float, float]
) -> None:
    told = see({Role.CURRENT_A: 8, Role.PHASES: phases})
    assert told.current_a == current
    assert told.drawn_w == 230 * sum(current)


@pytest.mark.parametrize(
    ("role", "value"),
    [
        (Role.CURRENT_A_1, 97),
        (Role.CURRENT_A_1, -16),
        (Role.POWER_W, math.nan),
        (Role.POWER_W, math.inf),
        (Role.POWER_W, "1000"),
        (Role.ENERGY_WH, -1),
        (Role.ENERGY_WH, True),
        (Role.SOC_PERCENT, 101),
        (Role.STATUS, "what"),
        (Role.TOKEN, "0000"),
        (Role.TOKEN, True),
    ],
)
def test_what_cannot_be_is_not_known(role: Role, value: Scalar) -> None:
    assert see({role: value}) == Told(at=NOON)


def test_the_noise_of_a_meter_is_nothing() -> None:
    assert see({Role.POWER_W: -3}).power_w == 0


@pytest.mark.parametrize(
    ("values", "plugged", "drawing"),
    [
        ({Role.STATUS: "available"}, False, False),
        ({Role.STATUS: "charging"}, True, True),
        ({Role.STATUS: "faulted"}, None, False),
        ({Role.STATUS: "available", Role.PLUGGED: True}, True, False),
        ({Role.CHARGING: True}, True, True),
        ({Role.CHARGING: False}, None, False),
        ({Role.POWER_W: 4_000}, None, True),
        ({Role.POWER_W: 40}, None, False),
        ({Role.CHARGING: True, Role.CURRENT_A_1: 0.2}, True, False),
        ({}, None, None),
    ],
)
def test_plugged_and_drawing(
    values: dict[Role, Scalar | None], plugged: bool | None, drawing: bool | None
) -> None:
    told = see(values)
    assert (told.plugged, told.drawing) == (plugged, drawing)


def test_what_it_says_is_wrong() -> None:
    assert see({Role.ERROR: 12}).error == "12"
    assert see({Role.ERROR: 0}).error is None
    assert see({Role.ERROR: "E7"}, status=99).error == "E7; unknown status 99"
    assert see({}, token="secret").error is None


def test_a_token() -> None:
    assert see({Role.TOKEN: "04aa\0\0"}).token == Token("04AA")
    assert see({Role.TOKEN: ""}).token is None


def test_what_is_told_for_the_station_is_told_for_each_outlet() -> None:
    sample = Sample(station={Role.STATUS: "charging", Role.MAX_CURRENT_A: 20})
    told = look(sample, 2, PROFILE, NOON)
    assert (told.status, told.max_current_a) == (EvseStatus.CHARGING, 20)
