"""Stations at boxes with real sockets: prepared, watched over, and switched between phases."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest

from custom_components.forecourt.core.model.finding import Outcome
from custom_components.forecourt.stations.base import CanSwitchPhases, supports
from custom_components.forecourt.stations.declarative.library import Library
from custom_components.forecourt.stations.declarative.profile import Profile
from simulator.modbus import Fault
from tests.wire.modbus.boxes import BOXES

from .conftest import Build
from .place import EVSE, Place, anyone
from .wired import Registers, Wired, prepares, registers, wired

LIBRARY = Library()
WANT_PREPARING = ("heidelberg_energy_control", "kathrein", "dadapower")
LIMITS = {"heidelberg_energy_control": 261, "kathrein": 0xA2, "dadapower": 1001}


IDLE = {
    # State B2, and no currents.
    "heidelberg_energy_control": {5: 5, 6: 0, 7: 0, 8: 0, 14: 0},
    "kathrein": {0x60: 1} | dict.fromkeys((*range(0x36, 0x42), 0x54, 0x55), 0),
    "dadapower": {1016: 0x0B} | dict.fromkeys(range(1006, 1011), 0),
}
"""What their registers hold while a car is plugged in and does not charge."""


def served(profile_id: str) -> AbstractAsyncContextManager[Registers]:
    (box,) = (box for box in BOXES if box.profile == profile_id)
    tables = box.tables()
    for unit in tables.values():
        for table in (unit.holding, unit.input):
            table.update({at: word for at, word in IDLE[profile_id].items() if at in table})
    return registers(LIBRARY.get(profile_id), tables)


async def at(build: Build, box: Registers | Wired, of: Profile, **more: object) -> Place:
    return await build(of, anyone(), box=box, **{"may_write": True} | more)


@pytest.mark.parametrize("profile_id", WANT_PREPARING)
async def test_a_box_is_prepared_once_before_its_first_order(build: Build, profile_id: str) -> None:
    of = LIBRARY.get(profile_id)
    async with served(profile_id) as box:
        place = await at(build, box, of)
        await place.pass_time(60)
        place.site.orders.limit(EVSE, 8)
        await place.pass_time(60)
        told = [each for each in box.written if each[0] in (prepares(of)[0], LIMITS[profile_id])]
        assert told[0] == prepares(of)
        assert told.count(prepares(of)) == 1
        assert len({word for address, word in told if address == LIMITS[profile_id]}) > 1


@pytest.mark.parametrize("profile_id", WANT_PREPARING)
async def test_a_box_that_is_only_read_is_not_prepared(build: Build, profile_id: str) -> None:
    async with served(profile_id) as box:
        place = await at(build, box, LIBRARY.get(profile_id), may_write=False)
        await place.pass_time(120)
        assert place.station.online
        assert box.written == []


@pytest.mark.parametrize("profile_id", WANT_PREPARING)
async def test_a_box_that_was_away_is_prepared_again(build: Build, profile_id: str) -> None:
    of = LIBRARY.get(profile_id)
    async with served(profile_id) as box:
        place = await at(build, box, of)
        await place.pass_time(30)
        box.server.fault = Fault(silent=True)
        for _ in range(2):
            place.wait(seconds=2)
            await place.station.poll()
        assert not place.station.online
        box.server.fault = Fault()
        await place.pass_time(30)
        assert box.written.count(prepares(of)) == 2


async def test_a_box_that_shows_another_limit_is_prepared_again(build: Build) -> None:
    """And twice a day at most where that wears it."""
    of = LIBRARY.get("heidelberg_energy_control")
    async with served(of.id) as box:
        place = await at(build, box, of)
        await place.pass_time(30)
        assert box.written.count(prepares(of)) == 1
        limits = len(box.written)
        for times in (2, 2, 2):
            # It restarted, and knows nothing of what it was told.
            box.server.units[1].holding[261] = 60
            await place.pass_time(40)
            assert box.written.count(prepares(of)) == times
            assert len(box.written) > limits, "it is told its limit again all the same"
            limits = len(box.written)
        place.wait(hours=24)
        box.server.units[1].holding[261] = 60
        await place.pass_time(40)
        assert box.written.count(prepares(of)) == 3


async def test_a_box_that_refuses_to_be_prepared_is_not_told_anything(build: Build) -> None:
    of = LIBRARY.get("heidelberg_energy_control")
    async with served(of.id) as box:
        box.server.fault = Fault(exceptions={258: 2})
        place = await at(build, box, of)
        await place.pass_time(30)
        assert {address for address, _ in box.written} == {258}
        assert place.site.controller.refusals[EVSE].detail.startswith(
            "unit 1, function 16 at 258: exception 2"
        )
        box.server.fault = Fault()
        await place.pass_time(120)
        assert (261, 160) in box.written
        assert EVSE not in place.site.controller.refusals


async def test_a_keba_is_watched_over_by_the_control_loop(build: Build) -> None:
    of = LIBRARY.get("keba_p30")
    async with wired(of, register_wh=1_000) as box:
        place = await at(build, box, of)
        await box.station.plug(1, "family")
        await place.pass_time(60)
        # It came with a watchdog that is off and a fallback of 0 A.
        assert box.wrote(5016) == [(6000,)]
        assert set(box.wrote(5018)) == {(60,)}
        await place.pass_time(600)
        assert place.drawn_a == pytest.approx(16)
        assert set(box.wrote(5018)) == {(60,)}
        assert 10 < len(box.wrote(5018)) < 30, "renewed at half its time"
        assert place.station.fallback_current_a == 6
        for _ in range(45):
            # The polling goes on, the control loop hangs.
            place.alone(2)
            await place.station.poll()
        assert box.station.outlet(1).fallen_back
        assert place.drawn_a == pytest.approx(6)
        await place.pass_time(30)
        assert place.drawn_a == pytest.approx(16)


async def test_a_watchdog_that_cannot_be_set_is_not_renewed(build: Build) -> None:
    of = LIBRARY.get("keba_p30")
    orders = {order: spec for order, spec in of.orders.items() if order != "watchdog_s"}
    async with wired(of) as box:
        place = await at(build, box, replace(of, orders=orders))
        await box.station.plug(1, "family")
        await place.pass_time(300)
        assert place.drawn_a == pytest.approx(16)
        assert box.wrote(5018) == []
        assert EVSE not in place.site.controller.refusals


async def test_the_watchdog_of_a_box_is_set_once_it_is_proven(build: Build) -> None:
    of = LIBRARY.get("keba_p30")
    async with wired(of) as box:
        place = await at(build, box, of, may_write=False)
        await box.station.plug(1, "family")
        await place.pass_time(60)
        assert not box.station.server.writes
        findings = await place.station.test()
        assert {one.outcome for one in findings} == {Outcome.OK}
        await place.pass_time(20)
        assert box.wrote(5016) == [(6000,)]
        assert box.wrote(5018)[0] == (60,)


async def test_an_alfen_falls_back_when_the_control_loop_hangs(build: Build) -> None:
    of = LIBRARY.get("alfen_eve")
    async with wired(of, fallback_a=6) as box:
        place = await at(build, box, of)
        await box.station.plug(1, "family")
        await place.pass_time(300)
        assert place.drawn_a == pytest.approx(16)
        assert place.station.fallback_current_a == 6
        assert not box.station.outlet(1).fallen_back
        writes = len(box.wrote(1210))
        for _ in range(40):
            place.alone(2)
            await place.station.poll()
        assert len(box.wrote(1210)) == writes
        assert box.station.outlet(1).fallen_back
        assert place.drawn_a == pytest.approx(6)
        await place.pass_time(30)
        assert place.drawn_a == pytest.approx(16)


async def test_the_phases_of_a_keba_are_switched_without_load(build: Build) -> None:
    of = LIBRARY.get("keba_p30")
    async with wired(of) as box:
        place = await at(build, box, of)
        await box.station.plug(1, "family")
        await place.pass_time(60)
        assert place.station.phase_counts(EVSE) == {1, 3}
        for count, words in ((1, (0,)), (3, (1,))):
            place.ask_phases(count)
            await place.pass_time(420)
            assert box.wrote(5052)[-1] == words
            assert box.plant.active_phases == count
            assert place.drawn_a == pytest.approx(16)
        assert len(box.wrote(5052)) == 2
        assert box.under_load == []


async def test_an_alfen_has_to_show_first_that_it_switches_phases(build: Build) -> None:
    of = LIBRARY.get("alfen_eve")
    async with wired(of, fallback_a=6) as box:
        place = await at(build, box, of, may_write=False)
        await box.station.plug(1, "family")
        await place.pass_time(60)
        assert not supports(place.station, CanSwitchPhases)
        findings = await place.station.test()
        assert {one.outcome for one in findings} == {Outcome.OK}
        assert [one.probe for one in findings][-2:] == ["phases", "phases"]
        assert box.wrote(1215) == [(1,), (3,)]
        await place.pass_time(30)
        assert place.station.phase_counts(EVSE) == {1, 3}
        place.ask_phases(1)
        await place.pass_time(120)
        assert box.plant.active_phases == 1
        assert place.drawn_a == pytest.approx(16)
        assert box.under_load == []


async def test_a_cycle_of_a_box_takes_three_requests(build: Build) -> None:
    of = LIBRARY.get("alfen_eve")
    async with wired(of, fallback_a=6) as box:
        place = await at(build, box, of, may_write=False)
        await place.pass_time(4)
        server = box.station.server
        for _ in range(130):
            server.requests.clear()
            place.wait(seconds=2)
            await place.station.poll()
            assert len(server.requests) <= 3
