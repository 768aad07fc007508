"""Every shipped profile: a box with its readings and orders charges, and is booked."""

from dataclasses import replace

import pytest

from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.stations.declarative.library import Library
from custom_components.forecourt.stations.declarative.profile import Profile

from .conftest import Build
from .place import Box, anyone

LIBRARY = Library()
METERS = ("energy_wh", "session_energy_wh", "power_w", "current_a")


def _proven(of: Profile) -> Profile:
    """Return the profile as it is once the control test has shown all of it."""
    orders = {order: replace(spec, confidence=None) for order, spec in of.orders.items()}
    return replace(of, orders=orders)


@pytest.mark.parametrize("profile_id", LIBRARY.ids())
async def test_a_charge(build: Build, profile_id: str) -> None:
    of = _proven(LIBRARY.get(profile_id))
    place = await build(of, anyone(), box=Box(of), may_write=True)
    await place.pass_time(6)
    place.box.plug()
    await place.pass_time(120)
    assert place.drawn_a > 5
    place.box.unplug()
    await place.pass_time(10)
    sessions = await place.sessions()
    assert all(session.status is SessionStatus.CLOSED for session in sessions)
    if any(role.startswith(METERS) for role in of.readings):
        assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=15)
    else:
        # Nobody can say what flowed, and the books do not pretend.
        assert all(SessionFlag.ESTIMATED in session.flags for session in sessions)
        assert await place.booked_wh() == 0
