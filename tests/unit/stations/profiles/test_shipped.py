"""The profiles that come with Forecourt: all of them load, and none promises what it lacks."""

from pathlib import Path

import pytest

from custom_components.forecourt.stations.declarative.load import load_profile
from custom_components.forecourt.stations.declarative.profile import (
    MODBUS,
    Confidence,
    ModbusTransport,
    Order,
    OrderSpec,
    Profile,
    Register,
    Role,
    Write,
)
from custom_components.forecourt.stations.declarative.transform import decode, encode
from custom_components.forecourt.stations.modbus.planning import plan, wanted
from custom_components.forecourt.stations.modbus.registers import encode as words_of
from custom_components.forecourt.stations.modbus.turns import REQUESTS, Pace, Turns, planned
import custom_components.forecourt.stations.profiles as shipped

FOLDER = Path(next(iter(shipped.__path__)))
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
LEAST_MODBUS = 30


def _text(name: str) -> str:
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        raise KeyError(name)
    return path.read_text(encoding="utf-8")


def _load(name: str) -> Profile:
    return load_profile(_text(name), name=name, base=_text)


@pytest.fixture(scope="module")
def profiles() -> dict[str, Profile]:
    """Return all profiles, by file name."""
    return {name: _load(name) for name in NAMES}


@pytest.fixture(scope="module")
def by_modbus(profiles: dict[str, Profile]) -> list[Profile]:
    """Return those of boxes that are reached by Modbus."""
    return [profile for profile in profiles.values() if profile.protocol == MODBUS]


def _writes(profile: Profile) -> list[tuple[OrderSpec, Write]]:
    return [(order, write) for order in profile.orders.values() for write in order.writes]


def test_there_are_many(by_modbus: list[Profile]) -> None:
    assert len(by_modbus) >= LEAST_MODBUS


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_whole(name: str) -> None:
    profile = _load(name)
    assert profile.id == name
    assert profile.sources
    assert profile.confidence is not Confidence.HARDWARE, "nobody has tried it on the box"
    told = profile.readings.keys()
    assert Role.STATUS in told or {Role.PLUGGED, Role.CHARGING} <= told
    limits = [profile.orders[o] for o in (Order.LIMIT_A, Order.LIMIT_W) if o in profile.orders]
    pauses = Order.PAUSE in profile.orders or any(limit.zero_pauses for limit in limits)
    assert (limits and pauses) or profile.notes, "what it lacks is said in its notes"


def test_pausing_and_going_on_come_together(by_modbus: list[Profile]) -> None:
    for profile in by_modbus:
        assert (Order.PAUSE in profile.orders) is (Order.RESUME in profile.orders), profile.id


def test_what_is_read_back_is_read(profiles: dict[str, Profile]) -> None:
    for profile in profiles.values():
        for order in profile.orders.values():
            assert order.read_back is None or order.read_back in profile.readings, profile.id


def test_limits_fit_in_their_registers(by_modbus: list[Profile]) -> None:
    """Whatever may be told reaches the register as what the reading of it tells again."""
    for profile in by_modbus:
        for order, write in _writes(profile):
            assert isinstance(write.target, Register)
            if write.value is not None:
                assert words_of(write.target, write.value)
                continue
            if order.order not in (Order.LIMIT_A, Order.LIMIT_W):
                continue
            assert order.minimum is not None
            assert order.maximum is not None
            for value in [0] * order.zero_pauses + [order.minimum, order.maximum]:
                raw = encode(write.transform, value)
                assert words_of(write.target, raw), profile.id
                assert decode(write.transform, raw) == pytest.approx(value), profile.id


def test_readings_share_requests_without_going_beyond_what_boxes_give(
    by_modbus: list[Profile],
) -> None:
    for profile in by_modbus:
        transport = profile.transport
        assert isinstance(transport, ModbusTransport)
        outlets = range(1, profile.max_connectors + 1)
        values = wanted(profile.readings.values(), outlets, transport)
        blocks = plan(values, transport)
        assert sum(len(block.values) for block in blocks) == len(values)
        assert all(block.count <= transport.max_registers for block in blocks), profile.id
        assert all(block.address + block.count <= 0x10000 for block in blocks), profile.id


def _gives_blocks(profile: Profile) -> bool:
    transport = profile.transport
    assert isinstance(transport, ModbusTransport)
    return transport.max_registers > 2 and not any(
        isinstance(spec.source, Register) and spec.source.alone and not spec.slow
        for spec in profile.readings.values()
    )


def test_a_cycle_takes_three_requests_where_boxes_give_blocks(by_modbus: list[Profile]) -> None:
    for profile in by_modbus:
        transport = profile.transport
        assert isinstance(transport, ModbusTransport)
        turns = Turns(planned(list(profile.readings.values()), (1,), transport), outlets=1)
        for turn in turns.everything():
            turn.words = []
        longest = max(len(turns.next()) for _ in range(2 * Pace.SELDOM))
        if _gives_blocks(profile):
            assert longest <= REQUESTS, profile.id
        else:
            assert any("one value in a request" in note for note in profile.notes), profile.id


def test_what_a_charge_is_made_of_is_read_each_time(by_modbus: list[Profile]) -> None:
    for profile in by_modbus:
        slow = {role for role, spec in profile.readings.items() if spec.slow}
        assert not slow & {
            Role.STATUS,
            Role.PLUGGED,
            Role.CHARGING,
            Role.POWER_W,
            Role.CURRENT_A,
            Role.CURRENT_A_1,
            Role.ENERGY_WH,
        }, profile.id


def test_a_watchdog_can_be_kept_still(profiles: dict[str, Profile]) -> None:
    for profile in profiles.values():
        if profile.watchdog is None:
            continue
        if profile.watchdog.renewed_by == "order":
            assert Order.RENEW in profile.orders, profile.id
        timed = profile.watchdog.timeout_s is not None or Role.WATCHDOG_S in profile.readings
        assert timed or profile.protocol != MODBUS, profile.id


def test_openwb_is_never_made_to_update_itself(profiles: dict[str, Profile]) -> None:
    profile = profiles["openwb_2"]
    for _, write in _writes(profile):
        assert isinstance(write.target, Register)
        assert (write.target.address - 10199) % 100
    assert all(
        isinstance(spec.source, Register) and (spec.source.address - 10199) % 100
        for spec in profile.readings.values()
    )


def test_a_daheimlader_is_paused_by_the_least_current_it_knows(
    profiles: dict[str, Profile],
) -> None:
    """0 would start a charge that nobody has let start."""
    (write,) = profiles["daheimladen"].orders[Order.LIMIT_A].writes
    assert encode(write.transform, 0) == 1
    assert encode(write.transform, 16) == 160


def test_a_mennekes_compact_is_never_told_zero(profiles: dict[str, Profile]) -> None:
    """0 A means no limit at all there."""
    order = profiles["mennekes_compact"].orders[Order.LIMIT_A]
    assert not order.zero_pauses
    assert order.minimum == 6


def test_a_state_of_abb_is_taken_out_of_its_bits(profiles: dict[str, Profile]) -> None:
    transform = profiles["abb_terra_ac"].readings[Role.STATUS].transform
    assert decode(transform, 0x8402) == "charging"
    assert decode(transform, 0x0000) == "available"
