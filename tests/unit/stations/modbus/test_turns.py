"""What makes up a cycle: few requests, and everything has its turn."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import given, strategies as st

from custom_components.forecourt.stations.declarative.profile import (
    ModbusTransport,
    ReadingSpec,
    Register,
    Role,
    Space,
)
from custom_components.forecourt.stations.modbus.planning import Block, plan, wanted
from custom_components.forecourt.stations.modbus.turns import (
    REQUESTS,
    Pace,
    Turn,
    Turns,
    pace_of,
    planned,
)

APART = ModbusTransport(max_gap=0)


def _spec(role: Role, *, slow: bool = False, address: int = 0) -> ReadingSpec:
    return ReadingSpec(role=role, source=Register(space=Space.HOLDING, address=address), slow=slow)


def _turn(role: Role, pace: Pace = Pace.OFTEN, address: int = 0) -> Turn:
    (block,) = plan(wanted([_spec(role, address=address)], (1,), APART), APART)
    return Turn(block, pace)


def _answered(turns: Iterable[Turn]) -> list[Turn]:
    found = list(turns)
    for turn in found:
        turn.words = [0]
    return found


def _names(turns: Iterable[Turn]) -> list[str]:
    return ["+".join(sorted(turn.roles)) for turn in turns]


def test_how_often_a_reading_is_wanted() -> None:
    assert pace_of(_spec(Role.SERIAL)) is Pace.OFTEN
    assert pace_of(_spec(Role.SERIAL, slow=True)) is Pace.SELDOM
    assert pace_of(_spec(Role.VOLTAGE_V_1, slow=True)) is Pace.SOON


def test_readings_of_another_pace_do_not_share_a_request() -> None:
    specs = [
        _spec(Role.STATUS, address=0),
        _spec(Role.VOLTAGE_V_1, address=1, slow=True),
        _spec(Role.SERIAL, address=2, slow=True),
        _spec(Role.MODEL, address=3, slow=True),
    ]
    turns = planned(specs, (1,), APART)
    assert _names(turns) == ["status", "voltage_v_1", "model+serial"]
    assert [turn.pace for turn in turns] == [Pace.OFTEN, Pace.SOON, Pace.SELDOM]


def test_what_is_slow_takes_turns_in_the_room_that_is_left() -> None:
    turns = Turns(
        [
            _turn(Role.STATUS),
            _turn(Role.POWER_W),
            _turn(Role.VOLTAGE_V_1, Pace.SOON),
            _turn(Role.VOLTAGE_V_2, Pace.SOON),
            _turn(Role.SERIAL, Pace.SELDOM),
        ],
        outlets=1,
    )
    _answered(turns.everything())
    cycles = [_names(_answered(turns.next())) for _ in range(4)]
    assert (
        cycles
        == [
            ["status", "power_w", "voltage_v_1"],
            ["status", "power_w", "voltage_v_2"],
        ]
        * 2
    )
    seen = Counter(name for _ in range(600) for name in _names(_answered(turns.next())))
    assert 8 <= seen["serial"] <= 10
    assert seen["voltage_v_1"] > 280


def test_without_room_something_that_may_wait_makes_some() -> None:
    often = [_turn(Role.STATUS), _turn(Role.CURRENT_A_1), _turn(Role.ENERGY_WH)]
    turns = Turns([*often, _turn(Role.VOLTAGE_V_1, Pace.SOON)], outlets=1)
    _answered(turns.everything())
    cycles = [_names(_answered(turns.next())) for _ in range(10)]
    full = ["status", "current_a_1", "energy_wh"]
    assert cycles == ([full] * 4 + [["status", "current_a_1", "voltage_v_1"]]) * 2


def test_power_may_wait_only_where_currents_are_told() -> None:
    voltage = _turn(Role.VOLTAGE_V_1, Pace.SOON)
    blind = Turns(
        [_turn(Role.STATUS), _turn(Role.CHARGING), _turn(Role.POWER_W), voltage], outlets=1
    )
    assert _names(_answered(blind.next())) == ["status", "charging", "power_w", "voltage_v_1"]
    turns = Turns(
        [_turn(Role.STATUS), _turn(Role.CURRENT_A), _turn(Role.POWER_W), voltage], outlets=1
    )
    _answered(turns.all)
    voltage.cycle = None
    assert _names(turns.next()) == ["status", "current_a", "voltage_v_1"]


def test_a_box_that_tells_one_value_a_request_takes_one_more_at_most() -> None:
    often = [_turn(role) for role in (Role.STATUS, Role.PLUGGED, Role.POWER_W, Role.ENERGY_WH)]
    slow = [_turn(Role.SERIAL, Pace.SELDOM), _turn(Role.TOKEN, Pace.SOON)]
    turns = Turns([*often, *slow], outlets=1)
    assert [len(_answered(turns.next())) for _ in range(4)] == [5, 5, 4, 4]


def test_more_outlets_have_more_room() -> None:
    often = [_turn(Role.STATUS, address=n) for n in range(4)]
    turns = Turns([*often, _turn(Role.TOKEN, Pace.SOON)], outlets=2)
    assert len(turns.next()) == 5


def test_what_was_forgotten_comes_first() -> None:
    slow = [_turn(role, Pace.SOON) for role in (Role.TOKEN, Role.LIMIT_A, Role.SOC_PERCENT)]
    turns = Turns([_turn(Role.STATUS), _turn(Role.POWER_W), *slow], outlets=1)
    _answered(turns.everything())
    assert _names(_answered(turns.next())) == ["status", "power_w", "token"]
    turns.forget([Role.TOKEN])
    assert slow[0].words is None
    assert slow[1].words is not None
    assert _names(_answered(turns.next())) == ["status", "power_w", "token"]
    assert _names(_answered(turns.next())) == ["status", "power_w", "limit_a"]


@given(
    often=st.integers(1, 3),
    soon=st.integers(0, 6),
    seldom=st.integers(0, 6),
)
def test_everything_has_its_turn_and_no_cycle_is_long(often: int, soon: int, seldom: int) -> None:
    roles = [Role.STATUS, Role.CURRENT_A_1, Role.ENERGY_WH][-often:]
    turns = Turns(
        [
            *(_turn(role) for role in roles),
            *(_turn(Role.TOKEN, Pace.SOON, n) for n in range(soon)),
            *(_turn(Role.SERIAL, Pace.SELDOM, n) for n in range(seldom)),
        ],
        outlets=1,
    )
    _answered(turns.everything())
    blocks: list[Block] = []
    for _ in range(300):
        asked = _answered(turns.next())
        assert len(asked) <= REQUESTS
        blocks += [turn.block for turn in asked]
    assert all(any(block is turn.block for block in blocks) for turn in turns.all)
