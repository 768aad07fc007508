"""When limits are written: on change, paced, renewed, never hammered."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.stations.base import Failure, StationError
from custom_components.forecourt.stations.ocpp.learned import Learned, RateUnit
from custom_components.forecourt.stations.ocpp.limits import Limit, Limiter
from custom_components.forecourt.stations.ocpp.schema import CALL, Schemas
from custom_components.forecourt.stations.ocpp.v16.profiles import charging_profile

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
TRANSACTION = 7


class Bench:
    """A limiter, its clock, and a station that takes or refuses what it is sent."""

    def __init__(self, fallback: int | None = None, written: int | None = None) -> None:
        self.now = START
        self.sent: list[Limit] = []
        self.written: list[int] = []
        self.refuse: Failure | None = None
        self.units = set(RateUnit)
        self.connectors = {0, 1, 2}
        learned = Learned(fallback_written=written, firmware="1", on_change=self._keep)
        self.limiter = Limiter(lambda: self.now, learned)
        self.limiter.fallback_current_a = fallback

    def _keep(self, data: dict[str, Any]) -> None:
        written = data["fallback_written"]
        if written is not None and written not in self.written[-1:]:
            self.written.append(written)

    async def send(self, limit: Limit) -> None:
        self.sent.append(limit)
        if self.refuse is not None:
            raise StationError("CP1", self.refuse, "Rejected")
        if limit.unit not in self.units or limit.evse not in self.connectors:
            raise StationError("CP1", Failure.REFUSED, "Rejected")

    async def apply(
        self,
        current_a: int,
        *,
        evse: int = 1,
        transaction_id: int = TRANSACTION,
        for_s: int = 300,
        phases: int | None = None,
    ) -> None:
        setpoint = Setpoint(
            evse=EvseId("CP1", evse),
            current_a=current_a,
            valid_until=self.now + timedelta(seconds=for_s),
            reason=LimitReason.MAIN_FUSE,
            phases=phases,
        )
        await self.limiter.apply(setpoint, transaction_id, self.send)

    async def fallback(self) -> None:
        await self.limiter.keep_fallback((1, 2), self.send)

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    @property
    def amounts(self) -> list[int]:
        return [limit.amount for limit in self.sent]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# The limit of a transaction


async def test_what_is_in_force_is_not_sent_again(bench: Bench) -> None:
    await bench.apply(10)
    bench.later(seconds=5)
    await bench.apply(10)
    assert bench.sent == [
        Limit(
            evse=1,
            amount=10,
            unit=RateUnit.AMPERE,
            at=START,
            duration=timedelta(seconds=300),
            transaction_id=TRANSACTION,
        )
    ]


async def test_it_is_renewed_at_half_its_time(bench: Bench) -> None:
    await bench.apply(10)
    bench.later(seconds=149)
    await bench.apply(10)
    assert len(bench.sent) == 1
    bench.later(seconds=1)
    await bench.apply(10)
    assert len(bench.sent) == 2
    assert bench.sent[1].at == bench.now


async def test_it_lowers_at_once_and_raises_at_intervals(bench: Bench) -> None:
    for wanted in (10, 8, 0, 6, 16):
        await bench.apply(wanted)
    assert bench.amounts == [10, 8, 0]
    bench.later(seconds=5)
    await bench.apply(16)
    bench.later(seconds=4.9)
    await bench.apply(20)
    assert bench.amounts == [10, 8, 0, 16]
    bench.later(seconds=0.1)
    await bench.apply(20)
    assert bench.amounts == [10, 8, 0, 16, 20]


async def test_an_expired_limit_counts_no_more(bench: Bench) -> None:
    await bench.apply(10, for_s=2)
    bench.later(seconds=2)
    await bench.apply(16, for_s=2)
    assert bench.amounts == [10, 16]


async def test_an_expired_setpoint_is_void(bench: Bench) -> None:
    await bench.apply(10, for_s=0)
    await bench.apply(10, for_s=-5)
    assert not bench.sent


async def test_another_transaction_needs_its_own(bench: Bench) -> None:
    await bench.apply(10)
    await bench.apply(10, transaction_id=8)
    await bench.apply(10, evse=2, transaction_id=9)
    assert [limit.transaction_id for limit in bench.sent] == [7, 8, 9]


async def test_after_a_restart_all_is_sent_again(bench: Bench) -> None:
    await bench.apply(10)
    bench.limiter.restarted()
    await bench.apply(10)
    assert bench.amounts == [10, 10]


async def test_a_clock_put_back_does_not_silence_it(bench: Bench) -> None:
    await bench.apply(10)
    bench.later(hours=-1)
    await bench.apply(10)
    assert len(bench.sent) == 2


async def test_calls_that_wait_for_their_turn_send_the_newest(bench: Bench) -> None:
    gate = asyncio.Event()
    send = bench.send

    async def slow(limit: Limit) -> None:
        await gate.wait()
        await send(limit)

    bench.send = slow  # type: ignore[method-assign]
    calls = [asyncio.create_task(bench.apply(amps)) for amps in (16, 12, 10, 8)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*calls)
    assert bench.amounts == [16, 8]


# Its unit


async def test_a_station_that_takes_watts_only_is_learned(bench: Bench) -> None:
    bench.units = {RateUnit.WATT}
    await bench.apply(10)
    assert [(limit.amount, limit.unit) for limit in bench.sent] == [
        (10, RateUnit.AMPERE),
        (4140, RateUnit.WATT),
    ]
    bench.limiter.phases[1] = 3
    await bench.apply(5)
    assert bench.amounts == [10, 4140, 3450]


async def test_a_known_unit_is_the_only_one_tried(bench: Bench) -> None:
    bench.limiter.learned.unit = RateUnit.WATT
    bench.units = {RateUnit.AMPERE}
    with pytest.raises(StationError):
        await bench.apply(20)
    assert bench.amounts == [4600], "one phase until the meter tells"


async def test_watts_follow_the_phases_of_the_car(bench: Bench) -> None:
    bench.limiter.learned.unit = RateUnit.WATT
    await bench.apply(10)
    bench.limiter.phases[1] = 1
    await bench.apply(10)
    bench.later(seconds=10)
    bench.limiter.phases[1] = 3
    await bench.apply(10)
    assert bench.amounts == [4140, 2300, 6900], "enough to begin on three, then what is safe"


async def test_another_firmware_is_another_station(bench: Bench) -> None:
    bench.limiter.learned.unit = RateUnit.WATT
    bench.limiter.learned.fallback_written = 6
    assert bench.limiter.learned.meet("2")
    bench.limiter.replaced()
    await bench.apply(10)
    assert bench.amounts == [10]
    assert bench.limiter.learned.fallback_written is None


# What it refuses


async def test_a_refusal_is_raised_but_not_asked_for_again(bench: Bench) -> None:
    bench.refuse = Failure.REFUSED
    for _ in range(3):
        with pytest.raises(StationError) as caught:
            await bench.apply(10)
        assert caught.value.failure is Failure.REFUSED
        bench.later(seconds=5)
    assert bench.amounts == [10, 4140], "in both units, and no more"
    bench.later(minutes=5)
    bench.refuse = None
    await bench.apply(10)
    assert bench.amounts == [10, 4140, 10]


async def test_other_values_are_tried_slowly_after_a_refusal(bench: Bench) -> None:
    bench.refuse = Failure.NOT_SUPPORTED
    bench.limiter.learned.unit = RateUnit.AMPERE
    with pytest.raises(StationError):
        await bench.apply(10)
    bench.later(seconds=4)
    for wanted in (8, 12):
        with pytest.raises(StationError):
            await bench.apply(wanted)
    assert bench.amounts == [10]
    # Lower is a matter of safety, higher is not.
    bench.later(seconds=1)
    with pytest.raises(StationError):
        await bench.apply(8)
    with pytest.raises(StationError):
        await bench.apply(12)
    assert bench.amounts == [10, 8]
    bench.later(seconds=30)
    with pytest.raises(StationError):
        await bench.apply(12)
    assert bench.amounts == [10, 8, 12]
    # Going to and fro does not make it ask for the same again.
    bench.later(seconds=31)
    with pytest.raises(StationError):
        await bench.apply(10)
    assert bench.amounts == [10, 8, 12]


async def test_what_it_refused_it_did_not_take(bench: Bench) -> None:
    await bench.apply(10)
    bench.refuse = Failure.REFUSED
    with pytest.raises(StationError):
        await bench.apply(8)
    bench.refuse = None
    bench.later(seconds=10)
    await bench.apply(10)
    assert bench.amounts == [10, 8], "10 A are still in force"
    await bench.apply(6)
    assert bench.amounts == [10, 8, 6]
    await bench.apply(8)
    bench.later(seconds=5)
    await bench.apply(8)
    assert bench.amounts == [10, 8, 6, 8], "once it took one, the refusals are forgotten"


async def test_a_unit_that_is_refused_is_forgotten(bench: Bench) -> None:
    """As after a change of its settings."""
    bench.limiter.phases[1] = 3
    await bench.apply(10)
    assert bench.limiter.learned.unit is RateUnit.AMPERE
    bench.units = {RateUnit.WATT}
    with pytest.raises(StationError):
        await bench.apply(8)
    assert bench.limiter.learned.unit is None
    bench.later(minutes=5)
    await bench.apply(8)
    assert bench.amounts == [10, 8, 8, 5520]
    assert bench.limiter.learned.unit is RateUnit.WATT


@pytest.mark.parametrize("failure", [Failure.TIMEOUT, Failure.OFFLINE, Failure.NOT_SUPPORTED])
async def test_one_that_is_not_refused_is_not(bench: Bench, failure: Failure) -> None:
    await bench.apply(10)
    bench.refuse = failure
    with pytest.raises(StationError):
        await bench.apply(8)
    assert bench.limiter.learned.unit is RateUnit.AMPERE


async def test_one_that_is_known_to_be_right_is_not_forgotten(bench: Bench) -> None:
    bench.limiter.given_unit = bench.limiter.learned.unit = RateUnit.WATT
    bench.refuse = Failure.REFUSED
    with pytest.raises(StationError):
        await bench.apply(8)
    assert bench.limiter.learned.unit is RateUnit.WATT


async def test_what_it_refused_a_charge_of_before_is_forgotten(bench: Bench) -> None:
    """Who refuses everything begins one charge after the other."""
    bench.refuse = Failure.REFUSED
    bench.limiter.given_unit = bench.limiter.learned.unit = RateUnit.AMPERE
    for transaction_id in (7, 8, 9, 7):
        with pytest.raises(StationError):
            await bench.apply(10, transaction_id=transaction_id)
    assert bench.amounts == [10, 10, 10, 10], "each is asked"
    with pytest.raises(StationError) as caught:
        await bench.apply(10, transaction_id=7)
    assert bench.amounts == [10, 10, 10, 10], "once"
    assert caught.value.__context__ is None


async def test_without_an_answer_nothing_is_known(bench: Bench) -> None:
    await bench.apply(10)
    bench.refuse = Failure.TIMEOUT
    with pytest.raises(StationError):
        await bench.apply(8)
    bench.refuse = None
    await bench.apply(10)
    assert bench.amounts == [10, 8, 10]


# The fallback


async def test_the_fallback_is_written_once() -> None:
    bench = Bench(fallback=6)
    await bench.fallback()
    await bench.fallback()
    assert bench.sent == [Limit(evse=0, amount=6, unit=RateUnit.AMPERE, at=START)]
    assert bench.written == [6]


async def test_what_was_written_before_a_restart_is_not_written_again() -> None:
    bench = Bench(fallback=6, written=6)
    await bench.fallback()
    assert not bench.sent


async def test_without_a_fallback_nothing_is_written(bench: Bench) -> None:
    await bench.fallback()
    assert not bench.sent


async def test_at_most_two_writes_a_day() -> None:
    bench = Bench(fallback=6)
    for fallback in (6, 7, 8, 9):
        bench.limiter.fallback_current_a = fallback
        await bench.fallback()
        bench.later(hours=1)
    assert bench.written == [6, 7]
    bench.later(hours=20)
    await bench.fallback()
    assert bench.written == [6, 7, 9]
    await bench.fallback()
    assert len(bench.sent) == 3


async def test_where_the_station_as_a_whole_refuses_each_outlet_is_told() -> None:
    bench = Bench(fallback=6)
    bench.connectors = {1, 2}
    bench.units = {RateUnit.WATT}
    await bench.fallback()
    taken = [(limit.evse, limit.amount) for limit in bench.sent]
    assert taken == [(0, 6), (0, 1380), (1, 6), (1, 1380), (2, 1380)]
    assert bench.written == [6]


async def test_a_refused_fallback_is_tried_again_in_an_hour() -> None:
    bench = Bench(fallback=6)
    bench.refuse = Failure.REFUSED
    with pytest.raises(StationError):
        await bench.fallback()
    tries = len(bench.sent)
    bench.later(minutes=59)
    await bench.fallback()
    assert len(bench.sent) == tries
    bench.later(minutes=1)
    bench.refuse = None
    await bench.fallback()
    assert bench.written == [6]


async def test_a_station_that_knows_no_profiles_is_asked_once() -> None:
    bench = Bench(fallback=6)
    bench.refuse = Failure.NOT_SUPPORTED
    with pytest.raises(StationError):
        await bench.fallback()
    assert {limit.evse for limit in bench.sent} == {0}


@pytest.mark.parametrize("failure", [Failure.OFFLINE, Failure.TIMEOUT])
async def test_a_station_that_goes_away_over_the_fallback_is_not_told_in_a_loop(
    failure: Failure,
) -> None:
    bench = Bench(fallback=6)
    bench.refuse = failure
    for _ in range(20):
        try:
            await bench.fallback()
        except StationError:
            bench.later(hours=1)
    assert len(bench.sent) == 2


async def test_a_fallback_that_only_one_outlet_takes_is_not_written_in_a_loop() -> None:
    bench = Bench(fallback=6)
    bench.connectors = {1}
    for _ in range(20):
        try:
            await bench.fallback()
        except StationError:
            bench.later(hours=1)
    written = [limit for limit in bench.sent if limit.evse == 1]
    assert len(written) == 2
    assert bench.written == []


async def test_nobody_needs_to_be_told() -> None:
    limiter = Limiter(lambda: START)
    limiter.fallback_current_a = 6
    bench = Bench()
    await limiter.keep_fallback((1,), bench.send)
    assert limiter.learned.fallback_written == 6


# On the wire


def test_a_limit_is_a_profile_of_its_transaction() -> None:
    limit = Limit(
        evse=1,
        amount=10,
        unit=RateUnit.AMPERE,
        at=START,
        duration=timedelta(seconds=300),
        transaction_id=TRANSACTION,
    )
    payload = charging_profile(limit)
    Schemas("1.6").check(CALL, "SetChargingProfile", payload)
    assert payload == {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 101,
            "transactionId": TRANSACTION,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "startSchedule": "2026-06-01T11:59:00Z",
                "duration": 360,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
            },
        },
    }


def test_a_fallback_is_a_default_profile_without_an_end() -> None:
    payload = charging_profile(Limit(evse=0, amount=4140, unit=RateUnit.WATT, at=START))
    Schemas("1.6").check(CALL, "SetChargingProfile", payload)
    assert payload == {
        "connectorId": 0,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 4140}],
            },
        },
    }


async def test_phases_are_told_where_the_owner_says_that_it_switches_them(bench: Bench) -> None:
    await bench.apply(10, phases=1)
    assert [limit.phases for limit in bench.sent] == [None]
    bench.limiter.switches_phases = True
    bench.later(seconds=4)
    await bench.apply(10, phases=1)
    assert len(bench.sent) == 1, "too soon after the last"
    bench.later(seconds=1)
    for phases in (1, 1, 3):
        await bench.apply(10, phases=phases)
    assert [limit.phases for limit in bench.sent] == [None, 1]
    # It lowers at once, and takes the phases with it.
    await bench.apply(8, phases=3)
    bench.later(seconds=5)
    await bench.apply(8)
    assert [limit.phases for limit in bench.sent] == [None, 1, 3, None]
    periods = [
        charging_profile(limit)["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
        for limit in bench.sent
    ]
    assert [period[0].get("numberPhases") for period in periods] == [None, 1, 3, None]


async def test_watts_are_for_the_phases_that_are_told(bench: Bench) -> None:
    bench.units = {RateUnit.WATT}
    bench.limiter.switches_phases = True
    bench.limiter.phases[1] = 3
    await bench.apply(10, phases=1)
    bench.later(seconds=5)
    await bench.apply(10)
    assert [(one.amount, one.phases) for one in bench.sent if one.unit is RateUnit.WATT] == [
        (2300, 1),
        (6900, None),
    ]
