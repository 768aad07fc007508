"""Every mistake in a shipped Modbus profile is noticed by its box.

The boxes are asked in memory here, by the same link; `test_profiles.py` has the sockets.
"""

from dataclasses import replace

import pytest

from custom_components.forecourt.stations.declarative.profile import (
    Profile,
    ReadingSpec,
    Register,
)

from .boxes import BOXES, blind
from .boxes.box import Box
from .boxes.judge import firmware_of, hurried, misread_in_memory, mistold_in_memory
from .boxes.mutants import of_order, of_reading
from .test_profiles import profiles

_BOX = pytest.mark.parametrize("box", BOXES, ids=lambda box: box.id)


@_BOX
async def test_a_mistake_in_a_reading_is_noticed(box: Box) -> None:
    profile = hurried(profiles()[box.profile])
    situations = _situations(box)
    missed = []
    for role, spec in profile.readings.items():
        if role in box.lacks or role not in box.expected(1):
            continue
        assert not await _misread(profile, spec, situations), role
        for name, mistake in of_reading(spec):
            if blind.to_reading(box, spec, name):
                continue
            if not await _misread(profile, mistake, situations):
                missed.append(f"{role}: {name}")
    assert not missed


@_BOX
async def test_a_mistake_in_an_order_is_noticed(box: Box) -> None:
    profile = hurried(profiles()[box.profile])
    missed = []
    for order, spec in profile.orders.items():
        if order in box.lacks:
            continue
        assert not await mistold_in_memory(profile, box, spec)
        for name, mistake in of_order(spec):
            if blind.to_order(box, spec, name):
                continue
            if not await mistold_in_memory(profile, box, mistake):
                missed.append(f"{order}: {name}")
    assert not missed


def _situations(box: Box) -> list[Box]:
    return [box, *(box.with_case(case) for case in (*box.cases, *box.extremes()))]


async def _misread(profile: Profile, spec: ReadingSpec, situations: list[Box]) -> bool:
    """Return whether this reading, alone, is wrong in any situation that concerns it."""
    lone = replace(profile, readings={spec.role: spec}, fingerprint=None, orders={})
    firmware = firmware_of(situations[0])
    for box in situations:
        if await misread_in_memory(lone, box, firmware):
            return True
    return False


def test_a_profile_without_mistakes_has_something_to_get_wrong() -> None:
    for profile in profiles().values():
        for reading in profile.readings.values():
            assert isinstance(reading.source, Register)
            assert list(of_reading(reading))
        assert all(list(of_order(spec)) for spec in profile.orders.values())
