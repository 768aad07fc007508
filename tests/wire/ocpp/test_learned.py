"""What is known of a station: learned, told by its model, and read back."""

from datetime import UTC, datetime, timedelta
import json

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.stations.base import CanRefresh, CanReserve, Failure, StationError
from custom_components.forecourt.stations.ocpp.composite import EVERY, Composite, InForce
from custom_components.forecourt.stations.ocpp.learned import Learned, RateUnit
from custom_components.forecourt.stations.ocpp.limits import Limit
from custom_components.forecourt.stations.ocpp.quirks import QUIRKS, quirks_of
from custom_components.forecourt.stations.ocpp.v16.profiles import composite_amount

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def info(vendor: str, model: str = "M", firmware: str | None = None) -> StationInfo:
    return StationInfo(id="CP1", protocol="ocpp1.6", vendor=vendor, model=model, firmware=firmware)


# Learned


def test_it_is_the_same_after_a_restart() -> None:
    learned = Learned(
        unit=RateUnit.WATT, relative=True, composite=False, evses=2, fallback_written=6
    )
    learned.meet("1.0")
    learned.lacks |= {CanReserve, CanRefresh}
    learned.tries["Key", "value"] = 2
    learned.fallback_writes.append(START)
    again = Learned.from_dict(json.loads(json.dumps(learned.as_dict())))
    assert again.as_dict() == learned.as_dict()
    assert again.lacks == {CanReserve, CanRefresh}
    assert list(again.fallback_writes) == [START]


def test_nothing_stored_is_nothing_learned() -> None:
    assert Learned.from_dict({}).as_dict() == Learned().as_dict()
    assert Learned.from_dict({"lacks": ["CanFly"]}).lacks == set()


def test_with_another_firmware_all_begins_anew_but_the_wear() -> None:
    learned = Learned(
        unit=RateUnit.WATT, evses=2, fallback_written=6, list_version=3, list_digest="x"
    )
    assert not learned.meet("1.0")
    learned.tries["Key", "value"] = 2
    learned.fallback_writes.append(START)
    assert not learned.meet(None)
    assert not learned.meet("1.0")
    assert learned.unit is RateUnit.WATT
    assert learned.meet("1.1")
    assert (
        learned.as_dict()
        == Learned(firmware="1.1", evses=2, fallback_writes=learned.fallback_writes).as_dict()
    )
    assert list(learned.fallback_writes) == [START]


def test_only_changes_are_told() -> None:
    told: list[object] = []
    learned = Learned(on_change=told.append)
    for _ in range(2):
        learned.keep()
        learned.meet("1.0")
    assert [data["firmware"] for data in told] == [None, "1.0"]  # type: ignore[index]


# Quirks


@pytest.mark.parametrize(
    ("station", "names"),
    [
        (info("ABB", firmware="1.8.21"), ["measurands reboot it"]),
        (info("ABB E-mobility", firmware="v1.6.6"), ["measurands reboot it"]),
        (info("ABB", firmware="1.8.32"), []),
        (info("ABB", firmware="unknown"), []),
        (info("ABB"), []),
        (info("HUAWEI"), ["limits in watts only"]),
        (info("starcharge"), ["a requested boot kills it"]),
        (StationInfo(id="CP1", protocol="ocpp1.6"), []),
    ],
)
def test_quirks_go_by_what_a_station_says_of_itself(station: StationInfo, names: list[str]) -> None:
    assert [quirk.name for quirk in quirks_of(station)] == names


def test_each_claim_has_a_source_and_a_scope() -> None:
    for quirk in QUIRKS:
        assert len(quirk.source) > 20
        assert quirk.vendor or quirk.model or quirk.firmware


@given(st.text(max_size=20), st.text(max_size=20), st.none() | st.text(max_size=30))
def test_any_station_may_be_looked_at(vendor: str, model: str, firmware: str | None) -> None:
    quirks_of(info(vendor, model, firmware))


# Reading back


class Told:
    """A station that says what is in force, and how often it was asked."""

    def __init__(self, amount: float | None) -> None:
        self.amount = amount
        self.failure: Failure | None = None
        self.asked = 0

    async def __call__(self, limit: Limit) -> float | None:
        self.asked += 1
        if self.failure is not None:
            raise StationError("CP1", self.failure)
        return self.amount


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


def limit(amount: int = 10, transaction_id: int = 1) -> Limit:
    return Limit(
        evse=1, amount=amount, unit=RateUnit.AMPERE, at=START, transaction_id=transaction_id
    )


@pytest.mark.parametrize(
    ("amount", "found"),
    [
        (10.0, InForce.AS_ORDERED),
        (6.0, InForce.AS_ORDERED),
        (10.2, InForce.AS_ORDERED),
        (10.3, InForce.HIGHER),
        (None, InForce.UNKNOWN),
    ],
)
async def test_what_is_in_force_is_compared(amount: float | None, found: InForce) -> None:
    composite = Composite(Clock(), Learned())
    assert await composite.check(limit(), Told(amount)) is found
    assert composite.found == {1: found}


async def test_it_is_asked_seldom() -> None:
    clock, told = Clock(), Told(10.0)
    composite = Composite(clock, Learned())
    assert composite.is_due(limit())
    await composite.check(limit(), told)
    clock.now += EVERY - timedelta(seconds=1)
    assert not composite.is_due(limit())
    assert composite.is_due(limit(transaction_id=2))
    clock.now += timedelta(seconds=1)
    assert composite.is_due(limit())


async def test_what_was_found_is_of_one_transaction() -> None:
    composite, silent = Composite(Clock(), Learned()), Told(None)
    await composite.check(limit(), Told(16.0))
    silent.failure = Failure.TIMEOUT
    await composite.check(limit(transaction_id=2), silent)
    assert not composite.found


@pytest.mark.parametrize("failure", list(Failure))
async def test_a_station_that_does_not_know_it_is_not_asked_again(failure: Failure) -> None:
    told, learned = Told(10.0), Learned()
    told.failure = failure
    composite = Composite(Clock(), learned)
    assert await composite.check(limit(), told) is None
    assert learned.composite is (False if failure is Failure.NOT_SUPPORTED else None)
    assert await composite.check(limit(transaction_id=2), told) is None
    gone = failure in (Failure.NOT_SUPPORTED, Failure.TIMEOUT)
    assert learned.composite is (False if gone else None)
    assert composite.is_due(limit(transaction_id=3)) is not gone


@pytest.mark.parametrize(
    ("answer", "amount"),
    [
        ({"status": "Rejected"}, None),
        ({"status": "Accepted", "chargingSchedule": {"chargingRateUnit": "A"}}, None),
        (
            {
                "chargingSchedule": {
                    "chargingRateUnit": "W",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1380}],
                }
            },
            None,
        ),
        (
            {
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": -1}],
                }
            },
            None,
        ),
        (
            {
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [
                        {"startPeriod": 0, "limit": 6.5},
                        {"startPeriod": 9, "limit": 32},
                    ],
                }
            },
            6.5,
        ),
    ],
)
def test_the_first_period_counts(answer: dict[str, object], amount: float | None) -> None:
    assert composite_amount(limit(), answer) == amount
