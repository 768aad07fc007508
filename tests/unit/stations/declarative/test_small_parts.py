"""What is remembered, how often a box is read, and what it says of itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
import math

from hypothesis import given, strategies as st

from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.declarative.introduction import (
    Safety,
    introduce,
    safety_of,
)
from custom_components.forecourt.stations.declarative.link import Sample
from custom_components.forecourt.stations.declarative.memory import Memory, OutletMemory, Saving
from custom_components.forecourt.stations.declarative.pacing import Pace
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    Order,
    Profile,
    Role,
    Scalar,
)
from custom_components.forecourt.stations.declarative.registers import Register
from tests.wire.stations.declarative.place import profile

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
TOKENS = st.none() | st.text("0123456789ABCDEF", min_size=1).map(Token)
AMOUNTS = st.floats(0, 1e12)
OUTLETS = st.builds(
    OutletMemory,
    register=st.builds(
        Register, total_wh=AMOUNTS, raw_wh=st.none() | AMOUNTS, at=TIMES, moved_at=TIMES
    ),
    booked_wh=st.none() | st.integers(0),
    plugged_at=TIMES,
    reference=st.none() | st.text(min_size=1),
    token=TOKENS,
    started_at=TIMES,
    start_wh=st.integers(0),
    shown=TOKENS,
    ended=st.booleans(),
)


@given(
    outlets=st.dictionaries(st.integers(1, 8), OUTLETS, max_size=3),
    writes=st.dictionaries(
        st.sampled_from(Order),
        st.lists(st.datetimes(timezones=st.just(UTC)), max_size=3).map(tuple),
    ),
    proven=st.booleans(),
    obeyed=st.frozensets(st.sampled_from(Order)),
)
def test_memory_survives_json(
    outlets: dict[int, OutletMemory],
    writes: dict[Order, tuple[datetime, ...]],
    proven: bool,
    obeyed: frozenset[Order],
) -> None:
    memory = Memory(outlets=outlets, flash_writes=writes, proven=proven, obeyed=obeyed)
    assert Memory.from_json(json.loads(json.dumps(memory.to_json()))) == memory


def test_a_memory_of_before_orders_wore_each_for_itself() -> None:
    stored = {"outlets": {}, "flash_writes": [NOON.isoformat()], "proven": True}
    assert Memory.from_json(stored) == Memory(proven=True)


def test_nothing_is_remembered_at_first() -> None:
    assert Memory.from_json(None) == Memory.from_json({}) == Memory()


def test_memory_does_not_show_tokens() -> None:
    memory = Memory(outlets={1: OutletMemory(token=Token("04AA0001"), shown=Token("04AA0001"))})
    assert "04AA0001" not in repr(memory)


def test_counting_is_saved_once_a_minute_and_what_happens_at_once() -> None:
    saving = Saving(Memory())
    assert not saving.due(Memory(), NOON)
    first = Memory(outlets={1: OutletMemory(register=Register(total_wh=1))})
    assert saving.due(first, NOON)
    more = Memory(outlets={1: OutletMemory(register=Register(total_wh=2))})
    assert not saving.due(more, NOON + timedelta(seconds=30))
    assert saving.due(more, NOON + timedelta(seconds=60))
    plugged = Memory(outlets={1: OutletMemory(register=Register(total_wh=2), plugged_at=NOON)})
    assert saving.due(plugged, NOON + timedelta(seconds=61))
    assert saving.due(Memory(outlets=plugged.outlets, proven=True), NOON + timedelta(seconds=62))


def test_the_pace() -> None:
    pace = Pace()
    assert (pace.next_s(busy=True, failures=0), pace.next_s(busy=False, failures=0)) == (2, 15)
    waits = [pace.next_s(busy=True, failures=number) for number in range(1, 8)]
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    assert pace.next_s(busy=False, failures=10_000) == 60


def test_a_box_introduces_itself() -> None:
    info = StationInfo(id="box", protocol="modbus", vendor="Test")
    sample = Sample(
        station={Role.SERIAL: 4711, Role.MODEL: " One\0"}, outlets={1: {Role.FIRMWARE: "1.2"}}
    )
    told = introduce(info, sample)
    assert (told.vendor, told.model, told.serial, told.firmware) == ("Test", "One", "4711", "1.2")
    assert introduce(info, Sample(station={Role.MODEL: None, Role.VENDOR: ""})) == info


def test_how_it_falls_back() -> None:
    of = profile(Role.FALLBACK_A, Role.FALLBACK_W, Role.WATCHDOG_S)

    def safety(*, of: Profile = of, **told: Scalar) -> Safety:
        return safety_of(Sample(station={Role(role): value for role, value in told.items()}), of)

    assert safety() == Safety(None, None)
    assert safety(fallback_a=6.2, watchdog_s=0) == Safety(7, 0)
    assert safety(fallback_w=1_380) == Safety(6, None)
    assert safety(fallback_a=math.nan, watchdog_s="x") == Safety(None, None)
    guessed = {
        role: replace(spec, confidence=Confidence.EXPERIMENTAL)
        for role, spec in of.readings.items()
    }
    assert safety(of=replace(of, readings=guessed), fallback_a=6, watchdog_s=60) == Safety(
        None, None
    )
