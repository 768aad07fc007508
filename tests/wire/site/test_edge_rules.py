"""What goes wrong between real stations and a site, one rule each.

The other rules, and their tests, are listed in docs/ocpp.md.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from custom_components.forecourt.core.model.events import Tap
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session, SessionFlag, SessionStatus
from custom_components.forecourt.core.model.token import Access
from custom_components.forecourt.site import site
from tests.unit.site.world import settings
from tests.wire.ocpp.peer import Payload, Peer, stamp
from tests.wire.ocpp.v201.peer import Peer201, meter

from .depot import Depot, until
from .test_faults import begin, drew

ANNA, BEN, CARL, STRANGER = "04AA0001", "04BB0002", "04CC0003", "04EE0005"
EVSE = EvseId("BOX", 1)


def ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


async def booted(peer: Peer) -> Peer:
    assert (await peer.boot())["status"] == "Accepted"
    return peer


async def stop(peer: Peer, meter_stop_wh: int, transaction_id: int = 1, **changes: Any) -> Payload:
    told = {"transactionId": transaction_id, "meterStop": meter_stop_wh, "timestamp": stamp()}
    frame = await peer.call("StopTransaction", told | changes)
    assert frame[0] == 3, frame
    answer: Payload = frame[2]
    return answer


async def measure(peer: Peer, *samples: Any, at: str | None = None, **changes: Any) -> None:
    """Tell meter values of one moment; a bare number is the register in Wh."""
    told = [one if isinstance(one, dict) else {"value": str(one)} for one in samples]
    value = {"timestamp": at or stamp(), "sampledValue": told}
    payload = {"connectorId": 1, "transactionId": 1, "meterValue": [value], **changes}
    frame = await peer.call("MeterValues", payload)
    assert frame[0] == 3, frame


async def status(peer: Peer, word: str, at: datetime | None = None) -> None:
    payload = {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": word,
        "timestamp": stamp(at),
    }
    assert (await peer.call("StatusNotification", payload))[0] == 3


async def session_of(depot: Depot, transaction_id: int) -> Session:
    found = await depot.ledger.transaction(transaction_id)
    assert found is not None
    return found[1]


# --- starts -----------------------------------------------------------------------------------


async def test_a_start_that_is_not_on_disk_has_no_answer_that_counts(depot: Depot) -> None:
    """The station tells it again until it is; what it is told then is the only id there is."""

    async def execute(statement: str) -> None:
        await depot.ledger._run(lambda connection: connection.exec_driver_sql(statement))

    depot.add("BOX")
    start = {"connectorId": 1, "idTag": ANNA, "meterStart": 1000, "timestamp": stamp()}
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON transactions "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        refused = await peer.call("StartTransaction", start)
        assert (refused[0], refused[2]) == (4, "InternalError")
        assert await depot.sessions() == []
        await execute("DROP TRIGGER full")
        for _ in range(2):
            answer = (await peer.call("StartTransaction", start))[2]
            assert (answer["transactionId"], answer["idTagInfo"]["status"]) == (1, "Accepted")
    assert len(await depot.sessions()) == 1


async def test_ids_rise_and_are_never_given_again(depot: Depot) -> None:
    depot.add("BOX", evses=2)
    given: list[int] = []
    for _ in range(2):
        async with Peer(depot.central, "BOX") as peer:
            await booted(peer)
            for connector, card in ((1, ANNA), (2, CARL)):
                # Both at the same time: a clock is no id.
                begun = await peer.start(
                    ago(1), connectorId=connector, idTag=card, meterStart=len(given)
                )
                given.append(begun["transactionId"])
        await depot.restart()
    assert given == [1, 2, 3, 4]


async def test_a_start_that_is_told_again_is_not_a_second_car(depot: Depot) -> None:
    """A card charges one car at a time: at another outlet it is refused, and booked as such."""
    depot.add("BOX", evses=2)
    at = datetime.now(UTC)
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        for _ in range(2):
            begun = await peer.start(at, idTag=ANNA)
            assert (begun["transactionId"], begun["idTagInfo"]["status"]) == (1, "Accepted")
        other = await peer.start(at, idTag=ANNA, connectorId=2)
        assert (other["transactionId"], other["idTagInfo"]["status"]) == (2, "ConcurrentTx")
    assert SessionFlag.UNAUTHORIZED not in (await session_of(depot, 1)).flags
    assert SessionFlag.UNAUTHORIZED in (await session_of(depot, 2)).flags


async def test_a_card_that_the_station_knew_by_itself_is_a_tap_each_time(depot: Depot) -> None:
    depot.add("BOX")
    taps: list[Tap] = []
    depot.site.desk.tapped.connect(taps.append)
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        for number in (1, 2):
            await peer.start(idTag=ANNA, meterStart=1000 * number)
            await stop(peer, 1000 * number + 500, number)
    assert [tap.last4 for tap in taps] == ["0001", "0001"]


# --- ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction_id", [-1, 0, 99])
async def test_an_end_of_nothing_is_answered_and_kept_apart(
    depot: Depot, transaction_id: int
) -> None:
    depot.add("BOX")
    at = stamp()
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA)
        for _ in range(2):
            await stop(peer, 9_000, transaction_id, timestamp=at)
        # The charge that runs is another one.
        assert (await session_of(depot, 1)).charging
    [orphan] = await depot.ledger.orphans()
    assert (orphan.transaction_id, orphan.meter_stop_wh) == (transaction_id, 9_000)


async def test_one_of_the_same_group_may_end_a_charge_and_nobody_else(depot: Depot) -> None:
    async with depot.box() as box:
        await begin(box, ANNA)
        await drew(box, 100)
        assert await box.tap(CARL) == "refused"
        assert box.connector(1).transaction is not None
        assert await box.tap(BEN) == "stopped"
        [session] = await depot.agrees(box)
    assert session.user_id == "anna"


@pytest.mark.parametrize("word", ["SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"])
async def test_a_pause_is_no_end(depot: Depot, word: str) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA)
        await measure(peer, 1_400)
        await status(peer, word)
        await depot.site.turn()
        assert (await session_of(depot, 1)).charging
        await status(peer, "Charging")
        await stop(peer, 1_900)
    assert (await session_of(depot, 1)).energy_wh == 900


async def test_a_lost_end_is_made_up_by_the_next_start_and_amended_when_it_comes(
    depot: Depot,
) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA, meterStart=1_000)
        await measure(peer, 1_500)
        begun = await peer.start(idTag=CARL, meterStart=1_800)
        assert begun["transactionId"] == 2
        lost = await session_of(depot, 1)
        assert (lost.energy_wh, lost.charging) == (500, False)
        assert SessionFlag.CLOSED_WITHOUT_STOP in lost.flags
        await stop(peer, 1_800, 1, reason="PowerLoss")
        await stop(peer, 2_100, 2)
    amended, last = await session_of(depot, 1), await session_of(depot, 2)
    assert (amended.energy_wh, last.energy_wh) == (800, 300)
    assert SessionFlag.AMENDED in amended.flags
    assert last.flags == frozenset()


async def test_an_outlet_that_stays_free_has_no_charge_until_its_end_comes(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await status(peer, "Charging")
        await peer.start(idTag=ANNA)
        await measure(peer, 1_500)
        await status(peer, "Available")
        await depot.site.turn()
        # Its end may still be on the way.
        assert (await session_of(depot, 1)).charging
        monkeypatch.setattr(site, "GRACE", timedelta())
        await depot.site.turn()
        given_up = await session_of(depot, 1)
        assert (given_up.energy_wh, given_up.status) == (500, SessionStatus.CLOSED)
        await stop(peer, 1_700)
    amended = await session_of(depot, 1)
    assert amended.energy_wh == 700
    assert SessionFlag.AMENDED in amended.flags


async def test_what_is_measured_after_the_end_is_nobodys(depot: Depot) -> None:
    """Some stations send the last meter values after the StopTransaction."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA)
        await stop(peer, 1_900)
        await measure(peer, {"value": "1950", "context": "Transaction.End"})
        await measure(peer, 1_960)
    session = await session_of(depot, 1)
    assert (session.energy_wh, session.charging) == (900, False)


# --- charges from offline times ---------------------------------------------------------------


async def test_a_charge_told_late_costs_what_energy_cost_then(depot: Depot) -> None:
    await depot.site.books.set_price(ago(30), Decimal("0.50"))
    depot.add("BOX")
    charges = ((60, 40, "0.30"), (20, 10, "0.50"))
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        for number, (begun, ended, _) in enumerate(charges, 1):
            await peer.start(ago(begun), idTag=(ANNA, CARL)[number - 1])
            await stop(peer, 3_000, number, timestamp=stamp(ago(ended)))
    for number, (begun, _, price) in enumerate(charges, 1):
        session = await session_of(depot, number)
        assert session.flags == {SessionFlag.OFFLINE}
        assert session.cost == 2 * Decimal(price)
        assert abs(session.started_at - ago(begun)) < timedelta(seconds=30)


async def test_a_stranger_who_charged_offline_is_booked_flagged_and_refused(depot: Depot) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        begun = await peer.start(ago(20), idTag=STRANGER)
        assert begun["idTagInfo"]["status"] == "Invalid"
        await stop(peer, 3_000, begun["transactionId"], timestamp=stamp(ago(10)))
    [session] = await depot.sessions()
    assert (session.user_id, session.energy_wh) == (None, 2_000)
    assert session.flags == {SessionFlag.OFFLINE, SessionFlag.UNAUTHORIZED}


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_so_is_one_at_a_station_of_2(depot: Depot, protocol: str) -> None:
    depot.add("BOX")
    async with Peer201(depot.central, "BOX", protocol=protocol) as peer:
        await booted(peer)
        answer = await peer.event(
            "Started",
            at=ago(20),
            offline=True,
            triggerReason="Authorized",
            idToken={"idToken": STRANGER, "type": "ISO14443"},
            meterValue=meter(1_000, at=ago(20)),
        )
        assert answer["idTokenInfo"]["status"] == "Invalid"
        await peer.event("Ended", at=ago(10), offline=True, meterValue=meter(3_000, at=ago(10)))
    [session] = await depot.sessions()
    assert (session.user_id, session.energy_wh) == (None, 2_000)
    assert session.flags == {SessionFlag.OFFLINE, SessionFlag.UNAUTHORIZED}


# --- clocks and meters ------------------------------------------------------------------------


async def test_a_clock_that_was_not_set_yet_does_not_move_the_charge(depot: Depot) -> None:
    """As told by a station whose first meter values after power-up are of 1970."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA)
        await measure(peer, 1_400, at="1970-01-01T00:30:55Z")
        await stop(peer, 1_900)
    session = await session_of(depot, 1)
    assert session.energy_wh == 900
    assert session.started_at > ago(1)
    assert session.flags == {SessionFlag.CLOCK_ESTIMATED}


ROLLBACK, MISMATCH = SessionFlag.METER_ROLLBACK, SessionFlag.METER_MISMATCH


@pytest.mark.parametrize(
    ("registers", "energy_wh", "flags"),
    [
        pytest.param([1_000, 1_400, 0, 1_700, 1_900], 900, set(), id="a dip to zero"),
        pytest.param([250_000, 0, 400, 250_900], 900, {ROLLBACK}, id="of the session between"),
        pytest.param([0, 900_000, 900_400, 500], 500, {ROLLBACK}, id="lifetime between"),
        pytest.param([250_000, 250_300, 0, 100, 250], 550, {ROLLBACK}, id="another meter"),
        pytest.param([1_000, 1_700, 1_200], 200, {MISMATCH}, id="an end that was passed"),
        pytest.param([1_000, 1_700, 900], 700, {MISMATCH}, id="an end before the start"),
    ],
)
async def test_a_register_that_jumps_makes_no_energy(
    depot: Depot, registers: list[int], energy_wh: int, flags: set[SessionFlag]
) -> None:
    """From start to stop, with the samples between; what a reader of the books should know."""
    depot.add("BOX")
    start_wh, *samples, stop_wh = registers
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA, meterStart=start_wh)
        for register_wh in samples:
            await measure(peer, register_wh)
        await stop(peer, stop_wh)
    session = await session_of(depot, 1)
    assert (session.energy_wh, set(session.flags)) == (energy_wh, flags)


async def test_the_first_register_in_every_reading_counts_once(depot: Depot) -> None:
    depot.add("BOX")
    first = {"value": "1000", "context": "Transaction.Begin"}
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA)
        for register_wh in (1_300, 1_600):
            await measure(peer, first, register_wh)
            assert (await session_of(depot, 1)).energy_wh == register_wh - 1_000
        await stop(peer, 1_900)
    session = await session_of(depot, 1)
    assert (session.energy_wh, session.flags) == (900, frozenset())


async def test_old_meter_values_change_nothing(depot: Depot) -> None:
    """Some stations send what they stored again, in a context that does not exist."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await peer.start(idTag=ANNA)
        await measure(peer, 1_600)
        old = {"value": "1200", "context": "Sample.Stored"}
        await measure(peer, old, at=stamp(ago(30)))
        assert (await session_of(depot, 1)).energy_wh == 600
        state = depot.site.board[EVSE]
        assert state.reading is not None
        assert state.reading.register_wh == 1_600
        await stop(peer, 1_900)
    session = await session_of(depot, 1)
    assert (session.energy_wh, session.flags) == (900, frozenset())


# --- what stations write ----------------------------------------------------------------------


async def test_what_a_station_misspells_or_adds_costs_no_charge(depot: Depot) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        assert (await peer.boot(chargePointSerialNumber="9" * 40))["status"] == "Accepted"
        begun = await peer.start(
            idTag=ANNA, meterStart=1_000.4, timestamp=stamp()[:19], vendorField={"a": 1}
        )
        assert (begun["transactionId"], begun["idTagInfo"]["status"]) == (1, "Accepted")
        await measure(
            peer,
            {"value": "50", "measurand": "Frequency", "unit": "Hz"},
            {"value": "", "measurand": "Power.Active.Import"},
            {"value": "7", "measurand": "Vendor.Special"},
            {"value": "7.5", "measurand": "Current.Import", "phase": "N"},
            {"value": "1400", "unit": "Wh", "colour": "green"},
        )
        state = depot.site.board[EVSE]
        assert state.reading is not None
        assert state.reading.current_a == (7.5, None, None)
        assert (await session_of(depot, 1)).energy_wh == 400
        payload = {"connectorId": 1, "errorCode": "Error", "status": "Charging"}
        assert (await peer.call("StatusNotification", payload))[0] == 3
        data = {"vendorId": "Acme", "data": {"an": "object"}}
        assert (await peer.call("DataTransfer", data))[2] == {"status": "UnknownVendorId"}
        await stop(peer, 1_900, reason="BecauseISaySo", vendorField=1)
    assert (await session_of(depot, 1)).energy_wh == 900


@pytest.mark.parametrize(
    "tag", [f"{ANNA}{'0' * 30}", "04 AA 00 01", "\x00\x07ö", "", None, True, [ANNA]]
)
async def test_a_card_that_is_not_readable_is_a_strangers(depot: Depot, tag: object) -> None:
    """What it charges is in the books, and comes to an end."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        frame = await peer.call("Authorize", {"idTag": tag})
        assert frame[0] == 4 or frame[2]["idTagInfo"]["status"] == "Invalid"
        begun = await peer.start(idTag=tag)
        assert begun["idTagInfo"]["status"] == "Invalid"
        await stop(peer, 1_900, begun["transactionId"], idTag=tag)
    [session] = await depot.sessions()
    assert (session.user_id, session.energy_wh) == (None, 900)
    assert SessionFlag.UNAUTHORIZED in session.flags


@pytest.mark.parametrize("access", list(Access))
async def test_so_is_one_that_a_station_of_2_cannot_read(depot: Depot, access: Access) -> None:
    """Where anyone may charge, too: this is not nobody, but somebody with a card."""
    depot.site.settings = settings(access)
    depot.add("BOX")
    async with Peer201(depot.central, "BOX") as peer:
        await booted(peer)
        answer = await peer.event(
            "Started",
            triggerReason="Authorized",
            idToken={"idToken": f"{ANNA}{'0' * 40}", "type": "ISO14443"},
            info={"chargingState": "Charging"},
            meterValue=meter(1_000),
        )
        assert answer["idTokenInfo"]["status"] == "Invalid"
        await peer.event("Ended", meterValue=meter(1_900))
    [session] = await depot.sessions()
    assert (session.user_id, session.energy_wh) == (None, 900)
    assert SessionFlag.UNAUTHORIZED in session.flags


async def test_a_transaction_may_have_a_name_that_is_too_long(depot: Depot) -> None:
    depot.add("BOX")
    async with Peer201(depot.central, "BOX") as peer:
        await booted(peer)
        for number in range(2):
            name = f"{'0123456789' * 5}{number}"
            card = {"idToken": (ANNA, CARL)[number], "type": "ISO14443"}
            await peer.event("Started", name, idToken=card, meterValue=meter(1_000))
            await peer.event("Updated", name, meterValue=meter(1_500))
            await peer.event("Ended", name, meterValue=meter(2_000 + number))
    assert [session.energy_wh for session in await depot.sessions()] == [1_000, 1_001]


@pytest.mark.parametrize("message_ids", ["counter", "boot_counter"])
@pytest.mark.parametrize("fault", ["drop", "reboot"])
async def test_message_ids_that_begin_again_are_new_messages(
    depot: Depot, message_ids: str, fault: str
) -> None:
    async with depot.box(message_ids=message_ids, reboot_s=0.1) as box:
        for _ in range(2):
            await begin(box)
            await drew(box, 100)
            await box.fault(fault)
            await until(lambda: not box.ready)
            await box.wait_for(lambda s: s.ready and not len(s.outbox), 10)
            if box.connector(1).transaction is not None:
                assert await box.tap(ANNA) == "stopped"
            await box.unplug()
        assert len(await depot.agrees(box)) == 2


async def test_a_schedule_of_minus_one_is_no_limit(depot: Depot) -> None:
    async with depot.box(composite="minus_one") as box:
        await begin(box)
        await drew(box, 200)
        assert not depot.central.stations["BOX"].notes
        assert await box.tap(ANNA) == "stopped"
        await depot.agrees(box)


# --- connections ------------------------------------------------------------------------------


async def test_connector_0_is_the_station(depot: Depot) -> None:
    depot.add("BOX", evses=2)
    async with Peer(depot.central, "BOX") as peer:
        await booted(peer)
        await status(peer, "Charging")
        payload = {"connectorId": 0, "errorCode": "PowerMeterFailure", "status": "Unavailable"}
        assert (await peer.call("StatusNotification", payload))[0] == 3
        await measure(peer, 99_000, connectorId=0, transactionId=0)
        assert depot.central.stations["BOX"].fault == "PowerMeterFailure"
        assert depot.site.board[EVSE].status is EvseStatus.CHARGING
        assert depot.site.board[EVSE].reading is None


async def test_a_station_that_resets_may_be_away_for_long(depot: Depot) -> None:
    """It goes without an answer, and its charge is told when it is back."""
    async with depot.box(reboot_s=0.3) as box:
        await begin(box)
        await drew(box, 100)
        await depot.site.orders.reset("BOX")
        await until(lambda: not depot.central.stations["BOX"].online)
        assert not depot.site.board[EVSE].online
        await asyncio.sleep(0.2)
        await box.wait_for(lambda s: s.ready and not len(s.outbox), 10)
        [session] = await depot.agrees(box)
    assert (session.user_id, session.flags) == ("anna", frozenset())
