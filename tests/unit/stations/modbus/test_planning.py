"""Requests are as few as a box allows, and never more than it allows."""

from hypothesis import given, strategies as st

from custom_components.forecourt.stations.declarative.profile import (
    ModbusTransport,
    ReadingSpec,
    Register,
    Role,
    Space,
    Type,
)
from custom_components.forecourt.stations.modbus.planning import Wanted, plan, wanted
from custom_components.forecourt.stations.modbus.registers import width

_ANY = ModbusTransport()


def _spec(
    role: Role = Role.POWER_W,
    address: int = 0,
    kind: Type = Type.U16,
    *,
    space: Space = Space.HOLDING,
    station: bool = False,
    unit: int | None = None,
    step: int = 0,
    alone: bool = False,
    count: int = 1,
) -> ReadingSpec:
    source = Register(
        space=space,
        address=address,
        type=kind,
        count=count,
        connector_step=step,
        unit=unit,
        alone=alone,
    )
    return ReadingSpec(role=role, source=source, station=station)


def _requests(
    specs: list[ReadingSpec], transport: ModbusTransport = _ANY, outlets: int = 1
) -> list[tuple[int, str, int, int]]:
    values = wanted(specs, range(1, outlets + 1), transport)
    return [
        (block.unit, block.space.value, block.address, block.count)
        for block in plan(values, transport)
    ]


def test_neighbours_share_a_request() -> None:
    specs = [_spec(address=address, kind=Type.U32) for address in (100, 102, 110)]
    assert _requests(specs) == [(1, "holding", 100, 12)]


def test_a_wide_gap_is_not_read() -> None:
    narrow = ModbusTransport(max_gap=4)
    specs = [_spec(address=100), _spec(address=105), _spec(address=111)]
    assert _requests(specs, narrow) == [(1, "holding", 100, 6), (1, "holding", 111, 1)]


def test_no_request_is_longer_than_the_box_allows() -> None:
    keba = ModbusTransport(unit=255, max_registers=2, max_gap=0)
    specs = [_spec(address=address, kind=Type.U32) for address in (1000, 1002, 1004)]
    assert _requests(specs, keba) == [
        (255, "holding", address, 2) for address in (1000, 1002, 1004)
    ]


def test_what_stands_alone_is_in_no_other_request() -> None:
    specs = [_spec(address=10), _spec(address=11, alone=True), _spec(address=12)]
    assert sorted(_requests(specs)) == [
        (1, "holding", 10, 1),
        (1, "holding", 11, 1),
        (1, "holding", 12, 1),
    ]


def test_two_readings_of_one_register_share_it_even_alone() -> None:
    specs = [_spec(Role.PLUGGED, 11, alone=True), _spec(Role.CHARGING, 11, alone=True)]
    assert _requests(specs) == [(1, "holding", 11, 1)]


def test_tables_and_units_are_asked_apart() -> None:
    specs = [
        _spec(address=1),
        _spec(address=2, space=Space.INPUT),
        _spec(address=3, unit=200),
        _spec(address=4, space=Space.COIL, kind=Type.BIT),
    ]
    assert sorted(_requests(specs)) == [
        (1, "coil", 4, 1),
        (1, "holding", 1, 1),
        (1, "input", 2, 1),
        (200, "holding", 3, 1),
    ]


def test_each_outlet_has_its_own_place() -> None:
    by_step = [_spec(address=5, step=100), _spec(Role.SERIAL, 7, station=True)]
    assert _requests(by_step, ModbusTransport(max_gap=0), outlets=2) == [
        (1, "holding", 5, 1),
        (1, "holding", 7, 1),
        (1, "holding", 105, 1),
    ]
    by_unit = ModbusTransport(unit=200, connector_units=(1, 2))
    assert _requests([*by_step[1:], _spec(address=5)], by_unit, outlets=2) == [
        (1, "holding", 5, 1),
        (2, "holding", 5, 1),
        (200, "holding", 7, 1),
    ]


def test_texts_are_as_long_as_the_profile_says() -> None:
    assert _requests([_spec(address=100, kind=Type.ASCII, count=17)]) == [(1, "holding", 100, 17)]


_SPECS = st.builds(
    _spec,
    st.sampled_from(Role),
    st.integers(0, 300),
    st.sampled_from([Type.U16, Type.U32, Type.F64]),
    space=st.sampled_from(Space),
    unit=st.sampled_from([None, 1, 2]),
    alone=st.booleans(),
)


@given(st.lists(_SPECS, max_size=20), st.integers(4, 40), st.integers(0, 20))
def test_every_value_is_in_one_request_that_the_box_allows(
    specs: list[ReadingSpec], longest: int, gap: int
) -> None:
    transport = ModbusTransport(max_registers=longest, max_gap=gap)
    values = wanted(specs, [1], transport)
    blocks = plan(values, transport)
    assert sorted(map(_key, (each for block in blocks for each in block.values))) == sorted(
        map(_key, values)
    )
    for block in blocks:
        assert block.count <= (2000 if block.space in (Space.COIL, Space.DISCRETE) else longest)
        covered: set[int] = set()
        for value in block.values:
            assert (value.unit, value.register.space) == (block.unit, block.space)
            at = value.register.address
            assert block.address <= at
            assert at + width(value.register) <= block.address + block.count
            covered |= set(range(at, at + width(value.register)))
        missing = sorted(set(range(block.address, block.address + block.count)) - covered)
        runs = [at for at in missing if at - 1 not in missing]
        assert all(set(range(at, at + gap + 1)) - set(missing) for at in runs)
        if any(value.register.alone for value in block.values):
            assert len({(each.register.address, each.end) for each in block.values}) == 1


def _key(value: Wanted) -> tuple[str, int, int, str]:
    return (value.spec.role, value.register.address, value.unit, value.register.space)
