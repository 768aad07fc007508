"""When something happened, by what a station's clock tells."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.clock import Clock
from custom_components.forecourt.stations.ocpp.station import Moment
from custom_components.forecourt.stations.ocpp.v16.inbox import ENDS_KEPT
from custom_components.forecourt.stations.ocpp.v201.transactions import EVENTS_KEPT

from .peer import Peer, Site, Watch
from .v201.peer import Peer201

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CONNECTED = NOW - timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def at(minutes: float) -> str:
    """Return the stamp of so many minutes after now."""
    return (NOW + minutes * MINUTE).isoformat()


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-06-01T12:00:00Z", Moment(NOW)),
        ("2026-06-01T14:00:00+02:00", Moment(NOW)),
        (" 2026-06-01T12:00:00.000Z ", Moment(NOW)),
        ("2026-06-01T12:00:00", Moment(NOW)),  # no zone: UTC
        ("2026-06-01T12:01:00Z", Moment(NOW + timedelta(seconds=60))),
        ("2026-06-01T12:01:01Z", Moment(NOW, estimated=True)),
        ("2026-06-01T11:59:00Z", Moment(NOW - timedelta(seconds=60))),
        ("2026-06-01T11:58:59Z", Moment(NOW, estimated=True)),
        ("2026-06-01T10:59:59Z", Moment(CONNECTED - timedelta(seconds=1), replayed=True)),
        ("2020-01-01T00:00:00Z", Moment(datetime(2020, 1, 1, tzinfo=UTC), replayed=True)),
        ("1970-01-01T00:30:55Z", Moment(NOW, estimated=True)),
        ("2019-12-31T23:59:59Z", Moment(NOW, estimated=True)),
        ("0001-01-01T00:00:00+14:00", Moment(NOW, estimated=True)),
        ("9999-12-31T23:59:59-14:00", Moment(NOW, estimated=True)),
        ("", Moment(NOW, estimated=True)),
        ("yesterday", Moment(NOW, estimated=True)),
    ],
)
def test_a_clock_is_trusted_as_far_as_it_makes_sense(stamp: str, expected: Moment) -> None:
    assert Clock(CONNECTED).judge(stamp, now=NOW).when == expected


def test_just_after_connecting_a_stamp_of_just_before_is_a_replay() -> None:
    before = NOW - timedelta(seconds=2)
    told = Clock(NOW - timedelta(seconds=1)).judge(before.isoformat(), now=NOW)
    assert told.when == Moment(before, replayed=True)


@given(st.text(max_size=40))
def test_any_text_is_some_time(text: str) -> None:
    told = Clock(CONNECTED).judge(text, now=NOW).when
    assert told.at.utcoffset() == timedelta()
    assert told.at <= NOW + timedelta(seconds=60)


# What else a message tells


def test_the_past_in_a_message_is_believed() -> None:
    message = Clock(CONNECTED).judge(at(0), now=NOW)
    assert message.of(at(-50)) == Moment(NOW - 50 * MINUTE)
    assert message.of(at(-500)) == Moment(NOW - 500 * MINUTE)
    assert message.of(at(1)) == Moment(NOW + MINUTE)


@pytest.mark.parametrize("stamp", [at(2), "1970-01-01T00:30:55Z", "", "soon"])
def test_what_cannot_be_is_of_the_time_of_its_message(stamp: str) -> None:
    message = Clock(CONNECTED).judge(at(-0.5), now=NOW)
    assert message.of(stamp) == Moment(NOW - MINUTE / 2, estimated=True)


def test_a_message_from_offline_times_has_samples_of_offline_times() -> None:
    message = Clock(CONNECTED).judge(at(-90), now=NOW)
    assert message.of(at(-95)) == Moment(NOW - 95 * MINUTE, replayed=True)


@pytest.mark.parametrize("wrong", [-30, 30, 60 * 24 * 365, -60 * 24 * 365 * 50])
def test_a_wrong_clock_still_tells_how_long_ago(wrong: float) -> None:
    message = Clock(NOW - timedelta(days=400)).judge(at(wrong), now=NOW)
    assert message.when == Moment(NOW, estimated=True)
    assert message.of(at(wrong - 15)) == Moment(NOW - 15 * MINUTE, estimated=True)
    assert message.of(at(wrong + 15)) == Moment(NOW, estimated=True), "after the message"
    assert message.of(at(wrong - 60 * 24 * 8)) == Moment(NOW, estimated=True), "out of the question"


def test_a_message_without_a_time_is_as_old_as_its_newest_sample() -> None:
    clock = Clock(CONNECTED)
    message = clock.judge_newest(["", at(-20), at(-0.5), at(-40)], now=NOW)
    assert message.when == Moment(NOW - MINUTE / 2)
    assert clock.judge_newest(["", "x"], now=NOW).when == Moment(NOW, estimated=True)
    assert clock.judge_newest([], now=NOW).when == Moment(NOW, estimated=True)


# What a connection tells


def test_a_clock_that_was_right_tells_late() -> None:
    clock = Clock(CONNECTED)
    assert clock.judge(at(-10), now=NOW - 10 * MINUTE).when == Moment(NOW - 10 * MINUTE)
    assert clock.judge(at(-5), now=NOW).when == Moment(NOW - 5 * MINUTE)


def test_a_clock_that_stands_still_is_wrong() -> None:
    clock = Clock(CONNECTED)
    assert clock.judge(at(-10), now=NOW - 10 * MINUTE).when == Moment(NOW - 10 * MINUTE)
    for minutes in (-5, 0):
        now = NOW + minutes * MINUTE
        assert clock.judge(at(-10), now=now).when == Moment(now, estimated=True)


@pytest.mark.parametrize("stamp", [at(9), "1970-01-01T00:30:55Z", "?"])
def test_a_clock_that_goes_wrong_is_not_believed_any_more(stamp: str) -> None:
    clock = Clock(CONNECTED)
    clock.judge(at(-10), now=NOW - 10 * MINUTE)
    clock.judge(stamp, now=NOW)
    assert clock.judge(at(-5), now=NOW).when == Moment(NOW, estimated=True)


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.booleans()), max_size=8), st.data())
def test_no_moment_is_in_the_future_or_before_this_product(
    told: list[tuple[int, bool]], data: st.DataObject
) -> None:
    clock = Clock(CONNECTED)
    for minutes, is_offline in told:
        message = clock.judge(at(minutes), now=NOW, since=NOW - MINUTE if is_offline else None)
        stamp = data.draw(st.text(max_size=5) | st.integers(-20_000, 20_000).map(at))
        for when in (message.when, message.of(stamp)):
            assert datetime(2020, 1, 1, tzinfo=UTC) <= when.at <= NOW + MINUTE
            assert not (when.estimated and when.replayed)


# What could not be booked


async def test_of_many_ends_that_nobody_takes_the_oldest_are_forgotten(
    central: CentralSystem, station: OcppStation, site: Site, now: Watch
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        ends = [
            {"transactionId": number, "meterStop": 1, "timestamp": "?"}
            for number in range(ENDS_KEPT + 1)
        ]
        site.failure = RuntimeError()
        for end in ends:
            assert (await peer.call("StopTransaction", end))[0] == 4
        site.failure, now.ahead = None, 5 * MINUTE
        for end in (ends[0], ends[-1]):
            await peer.call("StopTransaction", end)
    first, last = site.ends
    assert first.at - last.at > 4 * MINUTE


async def test_of_many_events_that_nobody_takes_the_oldest_are_forgotten(
    central: CentralSystem, station: OcppStation, site: Site, now: Watch
) -> None:
    async with Peer201(central) as peer:
        await peer.ready()
        events = [
            peer.payload("Ended", f"T{number}", at="1970-01-01T00:30:55Z")
            for number in range(EVENTS_KEPT + 1)
        ]
        site.failure = RuntimeError()
        for event in events:
            assert (await peer.call("TransactionEvent", event))[0] == 4
        site.failure, now.ahead = None, 5 * MINUTE
        for event in (events[0], events[-1]):
            await peer.call("TransactionEvent", event)
    first, last = site.ends
    assert first.at - last.at > 4 * MINUTE
