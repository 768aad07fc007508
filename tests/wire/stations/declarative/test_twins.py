"""A box with two outlets: each has its own charges, and the reader belongs to both."""

import dataclasses

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.stations.declarative.profile import ReadingSpec, Role
from tests.unit.site.world import ANNAS, BENS

from .conftest import Build
from .place import EVSE, Place, Twin, anyone, known, profile

SECOND = EvseId("box", 2)
TOKEN = ReadingSpec(role=Role.TOKEN, source="register", station=True)
OF = dataclasses.replace(
    profile(), connectors=2, readings={**profile().readings, Role.TOKEN: TOKEN}
)


def twin(place: Place) -> Twin:
    assert isinstance(place.box, Twin)
    return place.box


async def test_each_outlet_has_its_own_charge(build: Build) -> None:
    place = await build(OF, anyone(), box=Twin(OF))
    box = twin(place)
    box.plug()
    await place.pass_time(60)
    box.second.plug()
    await place.pass_time(60)
    assert (place.drawn_a, box.second.plant.currents_a[0]) == pytest.approx((16, 16))
    box.unplug()
    await place.pass_time(60)
    assert place.state(EVSE).status is EvseStatus.AVAILABLE
    assert place.state(SECOND).status is EvseStatus.CHARGING
    box.second.unplug()
    await place.pass_time(10)
    first, second = await place.sessions()
    assert first.energy_wh == pytest.approx(box.energy_wh, abs=2)
    assert second.energy_wh == pytest.approx(box.second.energy_wh, abs=2)


async def test_they_share_the_fuse(build: Build) -> None:
    site = dataclasses.replace(anyone(), main_fuse_a=20)
    place = await build(OF, site, box=Twin(OF))
    box = twin(place)
    box.plug()
    await place.pass_time(60)
    box.second.plug()
    for _ in range(120):
        await place.pass_time(2)
        assert place.drawn_a + box.second.plant.currents_a[0] < 20.5
    assert (place.drawn_a, box.second.plant.currents_a[0]) == pytest.approx((10, 10))


async def test_a_card_is_for_the_car_that_waits(build: Build) -> None:
    place = await build(OF, known(), box=Twin(OF))
    box = twin(place)
    await place.pass_time(4)
    box.second.plug()
    await place.pass_time(4)
    box.token = ANNAS.uid
    await place.pass_time(30)
    assert place.state(SECOND).status is EvseStatus.CHARGING
    box.plug()
    await place.pass_time(30)
    assert place.state(EVSE).status is EvseStatus.PREPARING
    box.token = BENS.uid
    await place.pass_time(30)
    assert place.state(EVSE).status is EvseStatus.CHARGING
    assert {session.evse: session.user_id for session in await place.sessions()} == {
        SECOND: "anna",
        EVSE: "ben",
    }
