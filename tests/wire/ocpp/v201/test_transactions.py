"""Transactions of OCPP 2.x: whatever of them is heard, they are booked once."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import (
    TransactionAnswer,
    TransactionEnd,
    TransactionStart,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.v201.told import ANSWERS_KEPT, TOLD_KEPT, Memory
from custom_components.forecourt.stations.ocpp.v201.transactions import REFERENCES_KEPT
from tests.wire.ocpp.conftest import MakeCentral
from tests.wire.ocpp.peer import INVALID, Watch

from .peer import CARD, Books, Peer201, meter, sample

EVSE = EvseId("CP1", 1)
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CHARGING = {"chargingState": "Charging"}
OTHER_CARD = {"idToken": "04CCDD", "type": "ISO14443"}


def minutes(number: float) -> datetime:
    return LONG_AGO + timedelta(minutes=number)


# The whole of it


async def test_a_transaction_is_booked_as_it_is_told(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    answer = await peer.event(
        "Started", at=at, idToken=CARD, reservationId=5, meterValue=meter(1000, at=at)
    )
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert answer["idTokenInfo"]["groupIdToken"]["type"] == "Central"
    assert site.starts == [
        TransactionStart(
            evse=EVSE,
            token=Token("04AABB"),
            at=at,
            meter_start_wh=1000,
            reference="T1",
            reservation_id=5,
        )
    ]
    assert station.transactions == {1: 1}
    assert station.references == {1: "T1"}
    assert station.limiter.began_at == {1: at}
    assert await peer.event("Updated", info=CHARGING, meterValue=meter(1500)) == {}
    assert site.reports[-1][0::2] == (EVSE, 1)
    assert site.reports[-1][1][0].register_wh == 1500
    answer = await peer.event(
        "Ended",
        triggerReason="StopAuthorized",
        idToken=CARD,
        info={"stoppedReason": "Local"},
        meterValue=meter(sample(2000, context="Transaction.End"), sample(230, "Voltage")),
    )
    assert answer["idTokenInfo"]["status"] == "Accepted"
    (end,) = site.ends
    assert (end.station_id, end.transaction_id, end.reference) == ("CP1", 1, "T1")
    assert (end.meter_stop_wh, end.token, end.reason) == (2000, Token("04AABB"), "Local")
    assert len(end.readings) == 2
    assert station.transactions == {}
    assert station.references == {}
    assert not site.taps, "each token came with what it was shown for"


async def test_ids_are_opaque(peer: Peer201, site: Books) -> None:
    for reference in ("abc", "ABC", "0123456789abcdef0123456789abcdef01"):
        await peer.event("Started", reference, idToken=CARD, meterValue=meter(1000))
    assert [start.reference for start in site.starts] == [
        "abc",
        "ABC",
        "0123456789abcdef0123456789abcdef01",
    ]


# Repeats


async def test_an_event_that_is_repeated_is_answered_again(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    for kind in ("Started", "Updated", "Ended"):
        told = peer.payload(kind, idToken=CARD, meterValue=meter(1000))
        first = await peer.call("TransactionEvent", told)
        booked = len(site.order)
        # With another message id, and the next time with the same one.
        again = await peer.call("TransactionEvent", told, message_id=f"again {kind}")
        await peer.call("TransactionEvent", told, message_id=f"again {kind}")
        assert again[2] == first[2]
        assert len(site.order) == booked
    assert station.notes["repeated event"] == 3
    assert station.notes["repeated call"] == 3


async def test_events_without_a_number_are_all_taken(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    at = datetime.now(UTC)
    await peer.event("Started", at=at, seqNo=None, idToken=CARD, meterValue=meter(1000))
    for wh in (1100, 1200):
        await peer.event("Updated", at=at, seqNo=None, meterValue=meter(wh))
    assert len(site.reports) == 3
    assert station.notes["missing seqNo"] == 3


async def test_a_station_that_does_not_count_is_understood(peer: Peer201, site: Books) -> None:
    await peer.event("Started", seqNo=0, idToken=CARD, meterValue=meter(1000))
    for wh in (1100, 1200):
        await peer.event("Updated", seqNo=0, meterValue=meter(wh))
    await peer.event("Ended", seqNo=0, meterValue=meter(1300))
    assert len(site.reports) == 3
    assert site.ends[0].meter_stop_wh == 1300


async def test_only_so_much_is_remembered(peer: Peer201, site: Books, station: OcppStation) -> None:
    for number in range(ANSWERS_KEPT + 2):
        await peer.event("Updated", meterValue=meter(1000 + number))
    memory = station.kept(Memory)
    assert len(memory.transactions["T1"].answers) == ANSWERS_KEPT
    await peer.event("Started", "kept", idToken=CARD, meterValue=meter(1))
    for number in range(TOLD_KEPT + 2):
        await peer.event("Started", f"ended {number}", meterValue=meter(1))
        await peer.event("Ended", f"ended {number}", meterValue=meter(1))
    assert len(memory.transactions) == TOLD_KEPT
    assert "kept" in memory.transactions
    for number in range(max(TOLD_KEPT, REFERENCES_KEPT) + 2):
        await peer.event("Started", f"open {number}", idToken=CARD, meterValue=meter(1))
    assert len(memory.transactions) == TOLD_KEPT
    assert len(station.references) == REFERENCES_KEPT


async def test_what_the_disk_did_not_take_is_told_again(peer: Peer201, site: Books) -> None:
    told = peer.payload("Started", idToken=CARD, meterValue=meter(1000))
    site.failure = RuntimeError("disk full")
    assert (await peer.call("TransactionEvent", told))[2] == "InternalError"
    site.failure = None
    assert (await peer.call("TransactionEvent", told))[0] == 3
    end = peer.payload("Ended", meterValue=meter(2000))
    site.failure = RuntimeError("disk full")
    assert (await peer.call("TransactionEvent", end))[2] == "InternalError"
    site.failure = None
    assert (await peer.call("TransactionEvent", end))[0] == 3
    assert len(site.starts) == len(site.ends) == 1


# When it begins


async def test_who_plugs_in_and_waits_is_not_booked(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.event("Started", info={"chargingState": "EVConnected"}, meterValue=meter(1000))
    await peer.event("Updated", meterValue=meter(1000, sample(0, "Power.Active.Import")))
    assert not site.starts
    assert site.reports[-1][2] is None, "it shows, but counts for nobody"
    assert not station.transactions
    at = datetime.now(UTC)
    answer = await peer.event("Updated", at=at, triggerReason="Authorized", idToken=CARD)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    (start,) = site.starts
    assert (start.at, start.meter_start_wh, start.token) == (at, 1000, Token("04AABB"))
    assert station.transactions == {1: 1}


async def test_who_charges_without_a_token_is_booked_without_one(
    peer: Peer201, site: Books
) -> None:
    await peer.event("Started", info={"chargingState": "EVConnected"}, meterValue=meter(1000))
    at = datetime.now(UTC)
    assert await peer.event("Updated", at=at, info=CHARGING) == {}
    (start,) = site.starts
    assert (start.at, start.meter_start_wh, start.token) == (at, 1000, None)


async def test_energy_shows_that_it_charges(peer: Peer201, site: Books) -> None:
    await peer.event("Started", meterValue=meter(1000))
    before = datetime.now(UTC)
    await peer.event("Updated", at=before, meterValue=meter(1000))
    await peer.event("Updated", at=before, meterValue=meter(1010))
    assert not site.starts, "that may be rounding"
    await peer.event("Updated", meterValue=meter(1011))
    (start,) = site.starts
    assert (start.at, start.meter_start_wh, start.token) == (before, 1000, None)
    assert site.reports[-1][2] == 1
    assert site.statuses[-1][1] is EvseStatus.CHARGING


async def test_a_button_is_for_the_site_to_judge(peer: Peer201, site: Books) -> None:
    site.authorization = INVALID
    nobody = {"idToken": "", "type": "NoAuthorization"}
    answer = await peer.event("Started", idToken=nobody, meterValue=meter(1000))
    assert answer == {"idTokenInfo": {"status": "Invalid"}}
    assert site.starts[0].token is None


async def test_who_plugs_in_and_out_leaves_nothing(peer: Peer201, site: Books) -> None:
    await peer.event("Started", info={"chargingState": "EVConnected"}, meterValue=meter(1000))
    assert await peer.event("Ended", meterValue=meter(1000)) == {}
    assert await peer.event("Ended", "T2", info={"timeSpentCharging": 0}) == {}
    assert not site.starts
    assert not site.ends


# Where the meter stood


async def test_the_register_of_the_beginning_goes_before_others(peer: Peer201, site: Books) -> None:
    told = meter(sample(1003), at=datetime.now(UTC) - timedelta(seconds=9))
    told += meter(sample(1000, context="Transaction.Begin"))
    await peer.event("Started", idToken=CARD, meterValue=told)
    assert site.starts[0].meter_start_wh == 1000


async def test_a_start_without_a_register_has_the_last_one_of_the_outlet(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.told("MeterValues", evseId=1, meterValue=meter(900))
    await peer.told(
        "MeterValues", evseId=1, meterValue=meter(800, at=datetime.now(UTC) - timedelta(seconds=30))
    )
    await peer.event("Started", idToken=CARD)
    assert site.starts[0].meter_start_wh == 900
    assert station.notes["no register at the start"] == 1


async def test_a_start_waits_for_its_register(peer: Peer201, site: Books) -> None:
    """A register that is made up would be charged for."""
    at = datetime.now(UTC)
    answer = await peer.event("Started", at=at, idToken=CARD)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert not site.starts
    assert site.taps == [Token("04AABB")]
    await peer.event("Updated", info=CHARGING, meterValue=meter(300_000))
    (start,) = site.starts
    assert (start.at, start.meter_start_wh, start.token) == (at, 300_000, Token("04AABB"))


async def test_a_station_without_registers_starts_at_zero(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.event("Started", idToken=CARD)
    await peer.event("Updated", meterValue=meter(sample(7000, "Power.Active.Import")))
    assert site.starts[0].meter_start_wh == 0
    assert station.notes["no register at the start"] == 1
    await peer.event("Ended")
    assert site.ends[0].meter_stop_wh is None


async def test_a_start_that_never_got_a_register_is_booked_at_its_end(
    peer: Peer201, site: Books
) -> None:
    await peer.event("Started", idToken=CARD)
    await peer.event("Ended")
    assert site.starts[0].meter_start_wh == 0
    assert (site.ends[0].transaction_id, site.ends[0].meter_stop_wh) == (1, None)


async def test_the_last_register_is_that_of_the_end(peer: Peer201, site: Books) -> None:
    await peer.event("Started", idToken=CARD, meterValue=meter(1000))
    now = datetime.now(UTC)
    told = meter(sample(2000, context="Transaction.End"), at=now - timedelta(seconds=5))
    await peer.event("Ended", meterValue=told + meter(1999, at=now))
    assert site.ends[0].meter_stop_wh == 2000


# What was not heard


async def test_a_transaction_whose_start_was_lost(peer: Peer201, site: Books) -> None:
    await peer.event("Updated", meterValue=meter(1000))
    assert not site.starts, "its start may still come"
    await peer.event("Updated", meterValue=meter(1100))
    await peer.event("Ended", meterValue=meter(2000))
    assert [start.meter_start_wh for start in site.starts] == [1000]
    assert [end.meter_stop_wh for end in site.ends] == [2000]


async def test_an_end_that_tells_it_all(peer: Peer201, site: Books) -> None:
    now = datetime.now(UTC)
    begin = now - timedelta(seconds=50)
    told = meter(sample(1000, context="Transaction.Begin"), at=begin)
    told += meter(sample(2000, context="Transaction.End"), at=now)
    await peer.event("Ended", at=now, triggerReason="StopAuthorized", idToken=CARD, meterValue=told)
    (start,) = site.starts
    assert (start.at, start.meter_start_wh, start.token) == (begin, 1000, Token("04AABB"))
    assert (site.ends[0].transaction_id, site.ends[0].meter_stop_wh) == (1, 2000)


async def test_an_end_of_which_nothing_is_known_is_kept(peer: Peer201, site: Books) -> None:
    site.end_authorization = INVALID
    answer = await peer.event(
        "Ended", triggerReason="StopAuthorized", idToken=CARD, meterValue=meter(2000)
    )
    assert answer == {"idTokenInfo": {"status": "Invalid"}}
    assert not site.starts
    (end,) = site.ends
    assert (end.transaction_id, end.reference, end.meter_stop_wh) == (None, "T1", 2000)
    assert end.token == Token("04AABB")


async def test_an_end_that_overtook_its_start(peer: Peer201, site: Books) -> None:
    before = datetime.now(UTC)
    await peer.event("Ended", meterValue=meter(2000), info={"stoppedReason": "Remote"})
    await peer.event("Updated", at=before, meterValue=meter(1500, at=before))
    assert not site.starts
    await peer.event("Started", at=before, idToken=CARD, meterValue=meter(1000, at=before))
    assert [start.meter_start_wh for start in site.starts] == [1000]
    assert [end.transaction_id for end in site.ends] == [None, 1]
    assert site.ends[1].meter_stop_wh == 2000
    assert site.ends[1].reason == "Remote"


async def test_an_end_nobody_can_place_is_kept(make_central: MakeCentral, site: Books) -> None:
    central = await make_central()
    central.add_station("CP2", evses=2)
    async with Peer201(central, "CP2") as peer:
        await peer.ready()
        await peer.event("Started", evse=None, idToken=CARD, meterValue=meter(1000))
        await peer.event("Ended", evse={"id": 99}, meterValue=meter(2000))
        assert not site.starts
        assert [end.transaction_id for end in site.ends] == [None]


async def test_what_comes_after_the_end_changes_nothing_that_runs(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    at = datetime.now(UTC)
    await peer.plug("Occupied")
    await peer.event("Started", idToken=CARD, meterValue=meter(1000))
    await peer.event("Ended", meterValue=meter(2000))
    await peer.event("Updated", info=CHARGING, meterValue=meter(1500, at=at))
    assert station.transactions == {}
    assert site.reports[-1][2] == 1
    assert site.statuses[-1][1] is EvseStatus.FINISHING


# Restarts and replays


async def test_the_ledger_knows_it_after_a_restart(make_central: MakeCentral, site: Books) -> None:
    site.references["T1"] = 7
    site.running[7] = EvseId("CP1", 2)
    central = await make_central()
    station = central.add_station("CP1", evses=2)
    async with Peer201(central) as peer:
        await peer.ready()
        # Only the first event of a transaction has to say where.
        await peer.event("Updated", info=CHARGING, meterValue=meter(1500))
        assert site.reports[-1][0::2] == (EvseId("CP1", 2), 7)
        assert station.transactions == {2: 7}
        assert station.references == {7: "T1"}
        assert site.statuses[-1][:2] == (EvseId("CP1", 2), EvseStatus.CHARGING)
        await peer.event("Ended", meterValue=meter(2000))
        assert (site.ends[0].transaction_id, site.ends[0].reference) == (7, "T1")
    assert not site.starts


@pytest.mark.parametrize("kind", ["Started", "Updated"])
async def test_who_was_refused_before_a_restart_is_refused_again(
    make_central: MakeCentral, site: Books, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The answer was lost; by now, the card as such would be let in."""
    site.references["T1"] = 7
    site.running[7] = EVSE

    async def refuse(start: TransactionStart) -> TransactionAnswer:
        site.judged.append(start)
        return TransactionAnswer(transaction_id=7, authorization=INVALID)

    monkeypatch.setattr(site, "transaction_started", refuse)
    central = await make_central()
    central.add_station("CP1")
    async with Peer201(central) as peer:
        await peer.ready()
        shown = {"triggerReason": "Authorized", "idToken": CARD}
        answer = await peer.event(kind, **shown, meterValue=meter(1000))
        assert answer["idTokenInfo"]["status"] == "Invalid"
    assert [(one.token, one.reference) for one in site.judged] == [(Token("04AABB"), "T1")]
    assert len(site.taps) == (kind == "Updated"), "what is told again is no tap"


async def test_a_charge_whose_beginning_was_forgotten_finds_its_outlet(
    make_central: MakeCentral, site: Books
) -> None:
    """Somebody plugged in, this program restarted, and a card is shown now."""
    central = await make_central()
    central.add_station("CP1", evses=3)
    async with Peer201(central) as peer:
        await peer.ready()
        shown = {"triggerReason": "Authorized", "idToken": CARD}
        await peer.event("Updated", **shown, meterValue=meter(1000))
        for number, word in (1, "Occupied"), (2, "Reserved"), (3, "Occupied"):
            await peer.plug(word, number)
        await peer.event("Updated", **shown, meterValue=meter(1001))
        assert not site.starts, "it may be the first or the third"
        await peer.event("Started", "T2", evse={"id": 1}, meterValue=meter(5000))
        await peer.event("Updated", at=minutes(0), meterValue=meter(1002))
        assert not site.starts, "what is told late says nothing about now"
        await peer.event("Updated", meterValue=meter(1003))
        assert [(one.evse, one.token, one.meter_start_wh) for one in site.starts] == [
            (EvseId("CP1", 3), Token("04AABB"), 1000)
        ]


async def test_a_transaction_that_runs_nowhere_is_left_alone(
    make_central: MakeCentral, site: Books
) -> None:
    site.references["T1"] = 7
    central = await make_central()
    station = central.add_station("CP1", evses=2)
    async with Peer201(central) as peer:
        await peer.ready()
        await peer.event("Updated", meterValue=meter(1500))
        assert not site.reports
        assert not station.transactions


async def test_a_transaction_goes_on_over_connections(
    central: CentralSystem, station: OcppStation, site: Books
) -> None:
    async with Peer201(central) as peer:
        await peer.ready()
        started = peer.payload("Started", meterValue=meter(1000))
        await peer.told("TransactionEvent", **started)
    async with Peer201(central) as peer:
        await peer.told("TransactionEvent", **started)
        await peer.event("Updated", seqNo=9, triggerReason="Authorized", idToken=CARD)
        assert [start.meter_start_wh for start in site.starts] == [1000]
    assert station.notes["repeated event"] == 1


async def test_what_happened_offline_keeps_its_time(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.event(
        "Started", at=minutes(0), offline=True, idToken=CARD, meterValue=meter(1000, at=minutes(0))
    )
    await peer.event("Updated", at=minutes(1), info=CHARGING, meterValue=meter(1500, at=minutes(1)))
    assert station.transactions == {}
    assert station.limiter.began_at == {}
    await peer.event("Ended", at=minutes(60), meterValue=meter(2000, at=minutes(60)))
    start, end = site.starts[0], site.ends[0]
    assert isinstance(end, TransactionEnd)
    assert (start.at, start.replayed, start.clock_estimated) == (minutes(0), True, False)
    assert (end.at, end.replayed, end.reason) == (minutes(60), True, "EVDisconnected")
    assert not site.taps


async def test_a_charge_that_goes_on_is_live_again(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.event("Started", at=minutes(0), idToken=CARD, meterValue=meter(1000, at=minutes(0)))
    await peer.event("Updated", at=minutes(9), info={"chargingState": "SuspendedEV"})
    assert site.statuses[-1][1] is EvseStatus.SUSPENDED_EV, "nothing newer is known"
    await peer.event("Updated", meterValue=meter(1500))
    assert station.transactions == {1: 1}
    assert site.statuses[-1][1] is EvseStatus.SUSPENDED_EV


async def test_an_old_charge_that_waits_is_not_measured_for_the_one_that_runs(
    peer: Peer201, site: Books
) -> None:
    await peer.event("Started", "T2", idToken=CARD, meterValue=meter(5000))
    await peer.event("Started", at=minutes(0), meterValue=meter(1000, at=minutes(0)))
    assert [report[1][0].register_wh for report in site.reports] == [5000]


async def test_a_clock_that_is_wrong_is_noticed(peer: Peer201, site: Books, now: Watch) -> None:
    await peer.event("Started", at="1970-01-01T00:30:55Z", idToken=CARD, meterValue=meter(1000))
    await peer.event("Ended", at="2026-06-01T12:00:00", meterValue=meter(2000))
    start, end = site.starts[0], site.ends[0]
    assert start.clock_estimated
    assert not start.replayed
    assert end.at == datetime(2026, 6, 1, 12, tzinfo=UTC), "without a zone it is UTC"


# Tokens


@pytest.mark.parametrize("trigger", ["Deauthorized", "RemoteStop", "EVDeparted"])
async def test_a_token_that_was_not_shown_to_stop_is_no_tap(
    peer: Peer201, site: Books, trigger: str
) -> None:
    await peer.event("Started", idToken=CARD, meterValue=meter(1000))
    answer = await peer.event("Ended", triggerReason=trigger, idToken=CARD)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert site.ends[0].token is None
    assert not site.taps


async def test_a_token_that_is_sent_with_everything_is_judged_without_a_tap(
    peer: Peer201, site: Books, now: Watch
) -> None:
    await peer.event("Started", idToken=CARD, meterValue=meter(1000))
    await peer.event("Updated", idToken=CARD, meterValue=meter(1001))
    assert not site.judged, "it was judged a moment ago"
    now.ahead = timedelta(minutes=9)
    at = datetime.now(UTC) + now.ahead
    site.authorization = INVALID
    answer = await peer.event("Updated", at=at, idToken=CARD, meterValue=meter(1002, at=at))
    assert answer == {"idTokenInfo": {"status": "Invalid"}}
    assert [start.token for start in site.judged] == [Token("04AABB")]
    assert not site.taps
    assert len(site.starts) == 1


async def test_a_token_that_is_shown_later_is_a_tap(peer: Peer201, site: Books) -> None:
    await peer.event("Started", info=CHARGING, meterValue=meter(1000))
    await peer.event("Updated", triggerReason="Authorized", idToken=CARD)
    await peer.event("Updated", triggerReason="StopAuthorized", idToken=CARD)
    assert site.taps == [Token("04AABB")], "once"


async def test_a_token_that_was_just_judged_is_not_judged_again(peer: Peer201, site: Books) -> None:
    await peer.event("Started", info=CHARGING, meterValue=meter(1000))
    await peer.told("Authorize", idToken=OTHER_CARD)
    site.authorization = INVALID
    answer = await peer.event("Updated", triggerReason="StopAuthorized", idToken=OTHER_CARD)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert site.taps == [Token("04CCDD")]


async def test_a_button_that_is_pressed_later_is_judged(peer: Peer201, site: Books) -> None:
    await peer.event("Started", info=CHARGING, meterValue=meter(1000))
    nobody = {"idToken": "", "type": "NoAuthorization"}
    answer = await peer.event("Updated", triggerReason="Authorized", idToken=nobody)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert [start.token for start in site.judged] == [None]


async def test_the_judgement_of_who_stops_is_passed_on(peer: Peer201, site: Books) -> None:
    site.end_authorization = INVALID
    await peer.event("Started", idToken=CARD, meterValue=meter(1000))
    answer = await peer.event("Ended", triggerReason="StopAuthorized", idToken=OTHER_CARD)
    assert answer == {"idTokenInfo": {"status": "Invalid"}}


async def test_an_old_token_without_a_transaction_is_not_judged(peer: Peer201, site: Books) -> None:
    answer = await peer.event("Updated", at=minutes(0), idToken=CARD)
    assert answer == {}
    assert not site.taps


# The car


async def test_the_phases_of_the_car_are_learned_and_forgotten(
    peer: Peer201, station: OcppStation
) -> None:
    amps = [
        sample(value, "Current.Import", phase=phase)
        for phase, value in (("L1", 10), ("L2", 0), ("L3", 0))
    ]
    await peer.event("Started", idToken=CARD, meterValue=meter(1000))
    await peer.event("Updated", meterValue=meter(1001, *amps))
    assert station.limiter.phases == {1: 1}
    await peer.event("Updated", numberOfPhasesUsed=3, meterValue=meter(1002, *amps))
    assert station.limiter.phases == {1: 3}
    await peer.event("Updated", numberOfPhasesUsed=0)
    assert station.limiter.phases == {1: 3}
    await peer.event("Started", "T2", idToken=CARD, meterValue=meter(1003))
    assert station.limiter.phases == {}


async def test_a_higher_number_is_one_more_outlet(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.event("Started", evse={"id": 2}, idToken=CARD, meterValue=meter(1000))
    assert station.info.evses == 2
    assert site.starts[0].evse == EvseId("CP1", 2)
    await peer.event("Updated", evse={"id": 1}, meterValue=meter(1001))
    assert site.reports[-1][0] == EvseId("CP1", 2), "a transaction never moves"


async def test_a_number_that_is_far_off_is_refused_until_it_is_explained(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    started = peer.payload("Started", evse={"id": 4}, idToken=CARD, meterValue=meter(1000))
    frame = await peer.call("TransactionEvent", started)
    assert frame[2:4] == ["PropertyConstraintViolation", "evse/id"]
    assert station.info.evses == 1
    assert not site.starts
    station.learn_evses(4)
    await peer.told("TransactionEvent", **started)
    assert site.starts[0].evse == EvseId("CP1", 4)


async def test_an_outlet_that_is_told_while_it_waits(peer: Peer201, site: Books) -> None:
    await peer.event("Started", evse={"id": 2}, meterValue=meter(1000))
    await peer.event("Updated", evse={"id": 1}, triggerReason="Authorized", idToken=CARD)
    assert site.starts[0].evse == EVSE
    await peer.event("Started", "T2", evse={"id": 2}, meterValue=meter(1000))
    await peer.event("Updated", "T2", triggerReason="Authorized", idToken=CARD)
    assert site.starts[1].evse == EvseId("CP1", 2)
