"""The physics, by example and by law."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from simulator.cars import CARS, Car, CarModel
from simulator.plant import Evse, PlugState

STEADY = CarModel("steady", 50_000, start_delay_s=0, ramp_a_per_s=1000, fall_a_per_s=1000)


def charging(model: CarModel, *, soc: float = 0.3, target_soc: float = 1.0, **evse: Any) -> Evse:
    """Return an outlet at which a car has been charging for a minute."""
    outlet = Evse(**evse)
    outlet.plug(Car(model, soc, target_soc))
    outlet.energised = True
    outlet.step(60)
    return outlet


def test_plug_states_from_plug_to_plug() -> None:
    evse = Evse()
    assert evse.state is PlugState.A
    evse.plug(Car.named("family"))
    evse.step(60)
    assert evse.state is PlugState.B
    assert evse.offer_a == 0
    evse.energised = True
    evse.step(1)
    assert evse.state is PlugState.B
    evse.step(3)
    assert evse.state is PlugState.C
    evse.limit_a = 0
    evse.step(1)
    assert evse.state is PlugState.B
    assert evse.unplug().model.name == "family"
    assert evse.state is PlugState.A


def test_a_car_that_needs_air_is_in_state_d() -> None:
    assert charging(CARS["veteran"]).state is PlugState.D


@pytest.mark.parametrize(
    ("attribute", "value", "state"),
    [
        ("faulted", True, PlugState.E),
        ("powered", False, PlugState.E),
        ("available", False, PlugState.F),
    ],
)
def test_nothing_flows_when_the_outlet_is_out_of_order(
    attribute: str, value: object, state: PlugState
) -> None:
    evse = charging(STEADY)
    setattr(evse, attribute, value)
    evse.step(1)
    register = evse.register_wh
    evse.step(600)
    assert (evse.state, evse.power_w, evse.register_wh) == (state, 0, register)


def test_the_current_rises_over_seconds() -> None:
    evse = Evse()
    evse.plug(Car.named("family"))
    evse.energised = True
    evse.step(3)
    seen = []
    for _ in range(9):
        evse.step(1)
        seen.append(evse.currents_a[0])
    assert seen == [2, 4, 6, 8, 10, 12, 14, 16, 16]


def test_power_is_what_current_and_sagging_voltage_make() -> None:
    evse = charging(CARS["family"])
    assert evse.currents_a == (16, 16, 16)
    assert evse.voltages_v == pytest.approx((227.6, 227.6, 227.6))
    assert evse.power_w == pytest.approx(3 * 16 * 227.6)


@pytest.mark.parametrize(
    ("car", "wired", "currents"),
    [
        ("compact", 3, (16, 0, 0)),
        ("two-phase", 3, (16, 16, 0)),
        ("family", 3, (16, 16, 16)),
        ("family", 1, (16, 0, 0)),
    ],
)
def test_phases(car: str, wired: int, currents: tuple[float, ...]) -> None:
    evse = charging(CARS[car], phases=wired)
    assert evse.currents_a == currents
    assert [volts > 0 for volts in evse.voltages_v] == [number < wired for number in range(3)]


def test_switching_phases_interrupts_the_charge() -> None:
    evse = charging(CARS["family"])
    evse.phases_offered = 1
    assert evse.power_w == 0
    evse.step(60)
    assert evse.currents_a == (16, 0, 0)
    evse.phases_offered = 7
    assert evse.phases_offered == 3


def test_no_offer_below_six_amperes() -> None:
    evse = charging(STEADY)
    evse.limit_a = 5.9
    assert evse.offer_a == 0
    evse.limit_a = 99
    assert evse.limit_a == 16
    evse.limit_a = -1
    assert evse.limit_a == 0


def test_a_picky_car_ignores_less_than_it_needs() -> None:
    evse = charging(CARS["picky"], max_current_a=32)
    evse.limit_a = 7
    evse.step(60)
    assert (evse.state, evse.offer_a) == (PlugState.B, 7)
    evse.limit_a = 8
    evse.step(60)
    assert evse.currents_a == (8, 8, 8)


def test_a_car_stops_at_its_own_limit_exactly() -> None:
    evse = charging(STEADY, soc=0.5, target_soc=0.6)
    evse.step(24 * 3600)
    assert evse.state is PlugState.B
    assert evse.car is not None
    assert evse.car.full
    assert evse.car.soc == pytest.approx(0.6, abs=1e-6)
    assert evse.delivered_wh == pytest.approx(5000 / 0.9, abs=0.01)


def test_the_current_tapers_near_full() -> None:
    evse = charging(CARS["family"], soc=0.84)
    seen = []
    while evse.power_w > 0:
        seen.append(evse.currents_a[0])
        evse.step(600)
    assert seen[0] == 16
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 5


def test_a_car_falls_asleep_and_an_offer_does_not_wake_it() -> None:
    evse = charging(CARS["sleeper"])
    evse.limit_a = 0
    evse.step(599)
    evse.limit_a = 16
    evse.step(60)
    assert evse.state is PlugState.C
    evse.limit_a = 0
    evse.step(601)
    evse.limit_a = 16
    evse.step(600)
    assert evse.car is not None
    assert evse.car.asleep
    assert evse.state is PlugState.B


@pytest.mark.parametrize("how", ["toggle", "replug", "availability"])
def test_what_wakes_a_car(how: str) -> None:
    evse = charging(CARS["sleeper"])
    evse.limit_a = 0
    evse.step(700)
    evse.limit_a = 16
    if how == "toggle":
        evse.toggle_pilot()
        assert evse.state is PlugState.F
    elif how == "replug":
        evse.plug(evse.unplug())
    else:
        evse.available = False
        evse.step(10)
        evse.available = True
    evse.step(60)
    assert evse.state is PlugState.C


def test_toggling_without_a_car_is_harmless() -> None:
    evse = Evse()
    evse.toggle_pilot()
    evse.step(10)
    assert evse.state is PlugState.A
    assert evse.active_phases == 0


def test_one_car_at_a_time() -> None:
    evse = charging(STEADY)
    with pytest.raises(ValueError, match="a car plugged in already"):
        evse.plug(Car(STEADY))
    evse.unplug()
    with pytest.raises(ValueError, match="no car plugged in"):
        evse.unplug()


def test_what_was_delivered_does_not_depend_on_the_meter() -> None:
    evse = charging(STEADY, register_wh=1000)
    evse.step(3540)
    before = evse.register_wh - 1000
    evse.replace_meter(5)
    evse.step(3600)
    assert evse.register_wh - 5 == pytest.approx(before, abs=2)
    assert evse.delivered_wh == pytest.approx(2 * before, abs=3)


def test_cars_by_name() -> None:
    assert Car.named("city", 0.5).soc == 0.5
    with pytest.raises(ValueError, match="no car 'boat'; there is city, compact"):
        Car.named("boat")
    with pytest.raises(ValueError, match="from 0 to 1"):
        Car.named("city", 1.5)


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["limit", "phases", "energise", "plug", "toggle", "fault", "wait"]),
        st.integers(0, 35),
        st.integers(1, 90),
    ),
    max_size=25,
)
MODELS = st.sampled_from(sorted(CARS.values(), key=lambda model: model.name))


def move(evse: Evse, car: Car, what: str, value: int) -> None:
    match what:
        case "limit":
            evse.limit_a = value
        case "phases":
            evse.phases_offered = value % 3 + 1
        case "energise":
            evse.energised = value > 5
        case "plug" if evse.car is None:
            evse.plug(car)
        case "plug":
            evse.unplug()
        case "toggle":
            evse.toggle_pilot(value / 10)
        case "fault":
            evse.faulted = value > 30


@settings(max_examples=60, deadline=None)
@given(model=MODELS, soc=st.floats(0, 1), moves=MOVES, wired=st.sampled_from([1, 3]))
def test_laws_of_the_plant(
    model: CarModel, soc: float, moves: list[tuple[str, int, int]], wired: int
) -> None:
    evse = Evse(phases=wired, max_current_a=32, register_wh=123)
    car = Car(model, soc)
    evse.plug(car)
    evse.energised = True
    recent = [0.0] * 5
    integral_ws = delivered_ws = 0.0
    for what, value, seconds in moves:
        delivered_ws += evse.delivered_wh * 3600 if what == "plug" and evse.car is not None else 0
        move(evse, car, what, value)
        for _ in range(seconds):
            recent = [*recent[1:], evse.offer_a]
            register, stored = evse.register_ws, car.soc
            evse.step(1)
            integral_ws += evse.power_w
            # The register never falls, and what it gains is in the battery.
            assert evse.register_ws >= register
            gained = (car.soc - stored) * model.battery_wh * 3600
            assert gained == pytest.approx((evse.register_ws - register) * model.efficiency, abs=1)
            # The offer is never exceeded but for the 5 s that a car has to follow (IEC 61851-1).
            assert max(evse.currents_a) <= max(recent) + 1e-9
            if evse.offer_a == 0:
                assert evse.power_w == 0
            # As many phases as both sides have; the same current in each.
            carrying = [current for current in evse.currents_a if current > 0]
            assert len(carrying) <= min(model.phases, wired, evse.phases_offered)
            assert len(set(carrying)) <= 1
            if evse.state in (PlugState.C, PlugState.D):
                assert len(carrying) == min(model.phases, evse.phases_offered)
    # Energy is the integral of power: exact while nothing changes, a second off where it does.
    changes = len(moves) + 2
    gained_ws = evse.register_ws - 123 * 3600
    assert gained_ws == pytest.approx(integral_ws, abs=changes * 2 * 3 * 32 * 230 + 1)


@settings(max_examples=30, deadline=None)
@given(model=MODELS, soc=st.floats(0, 0.99), limit=st.floats(6, 32), parts=st.integers(1, 40))
def test_energy_does_not_depend_on_how_time_is_cut(
    model: CarModel, soc: float, limit: float, parts: int
) -> None:
    whole, cut = (Evse(max_current_a=32) for _ in range(2))
    for evse in (whole, cut):
        evse.plug(Car(replace(model, sleeps_after_s=None), soc))
        evse.energised = True
        evse.limit_a = limit
    whole.step(7200)
    for _ in range(parts):
        cut.step(7200 / parts)
    assert cut.delivered_wh == pytest.approx(whole.delivered_wh, rel=0.002, abs=20)
    # The register shows whole watt-hours and drops nothing.
    assert -1e-6 < cut.delivered_wh - cut.register_wh < 1 + 1e-6
