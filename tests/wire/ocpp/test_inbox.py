"""What a station of OCPP 1.6 tells, as it arrives at the site, and the site's answers."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import TransactionEnd, TransactionStart
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.station import MAX_GUESSED_EVSES
from custom_components.forecourt.stations.ocpp.v16.inbox import STARTS_KEPT

from .conftest import MakeCentral
from .peer import ACCEPTED, INVALID, Payload, Peer, Site, Watch, stamp

EVSE = EvseId("CP1", 1)
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> Any:
    async with Peer(central, "CP1") as peer:
        yield await peer.ready()


def meter_values(value: str = "1500", /, **changes: Any) -> Payload:
    at = changes.pop("at", None)
    return {
        "connectorId": 1,
        "meterValue": [{"timestamp": stamp(at), "sampledValue": [{"value": value}]}],
        **changes,
    }


# Boot and heartbeat


async def test_a_known_station_is_accepted_and_introduces_itself(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    assert not station.online
    async with Peer(central, "CP1") as peer:
        answer = await peer.boot(
            chargePointSerialNumber=" S1 ", firmwareVersion="1.0", chargeBoxSerialNumber="S2"
        )
        assert answer["status"] == "Accepted"
        assert answer["interval"] == 300
        told = datetime.fromisoformat(answer["currentTime"])
        assert abs(told - datetime.now(UTC)) < timedelta(seconds=2)
        await peer.until(lambda: station.online)
        info = station.info
        assert (info.vendor, info.model, info.serial, info.firmware) == ("Acme", "Box", "S1", "1.0")
        assert info.address == "127.0.0.1"
        assert site.changes[-1] == (True, info)
    await central.stop()
    assert not station.online
    assert site.changes[-1][0] is False


async def test_a_box_serial_number_will_do(peer: Peer, station: OcppStation) -> None:
    await peer.boot(chargeBoxSerialNumber="S2", firmwareVersion="  ")
    assert station.info.serial == "S2"
    assert station.info.firmware is None


async def test_a_heartbeat_tells_the_time(peer: Peer) -> None:
    frame = await peer.call("Heartbeat")
    assert frame[2]["currentTime"].endswith("Z")


async def test_a_station_that_reconnects_without_a_boot_is_taken_as_it_is(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.until(lambda: station.online)
        # It is asked who it is, because nobody knows.
        await peer.until(
            lambda: {"requestedMessage": "BootNotification"} in peer.calls("TriggerMessage")
        )
    async with Peer(central, "CP1") as peer:
        await peer.call("MeterValues", meter_values(transactionId=3))
        assert station.online, "what it says shows that it has booted"
        assert station.transactions == {1: 3}


# Status


async def test_a_status_is_that_of_an_outlet(peer: Peer, site: Site) -> None:
    at = datetime.now(UTC) - timedelta(seconds=5)
    await peer.call(
        "StatusNotification",
        {"connectorId": 1, "errorCode": "NoError", "status": "Preparing", "timestamp": stamp(at)},
    )
    await peer.call(
        "StatusNotification",
        {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted", "info": "RCD"},
    )
    assert site.statuses[0][:2] == (EVSE, EvseStatus.PREPARING)
    assert site.statuses[1][0::3] == (EVSE, "GroundFailure (RCD)")
    assert abs(site.statuses[1][2] - datetime.now(UTC)) < timedelta(seconds=2)


async def test_connector_0_is_the_station(peer: Peer, site: Site, station: OcppStation) -> None:
    changes = len(site.changes)
    fault = {"connectorId": 0, "errorCode": "ReaderFailure", "status": "Faulted"}
    await peer.call("StatusNotification", fault)
    await peer.call("StatusNotification", fault)
    assert station.fault == "ReaderFailure"
    assert len(site.changes) == changes + 1
    await peer.call("StatusNotification", fault | {"errorCode": "NoError", "status": "Available"})
    assert station.fault is None
    assert not site.statuses


def available(connector: int) -> Payload:
    return {"connectorId": connector, "errorCode": "NoError", "status": "Available"}


REFUSED = ["PropertyConstraintViolation", "connectorId", {}]


@pytest.mark.parametrize("connector", [-1, 2, 3, 64, 65, 10**15])
async def test_a_connector_that_the_station_does_not_have_is_refused(
    peer: Peer, site: Site, station: OcppStation, connector: int
) -> None:
    assert station.info.told_evses == 1
    payload = {"connectorId": connector, "idTag": "A", "meterStart": 1, "timestamp": stamp()}
    for frame in (
        await peer.call("StatusNotification", available(connector)),
        await peer.call("MeterValues", meter_values(connectorId=connector)),
        await peer.call("StartTransaction", payload),
    ):
        assert frame[2:] == REFUSED
    assert station.info.evses == site.changes[-1][1].evses == 1
    assert not site.statuses
    assert not site.starts


async def test_of_a_station_that_tells_no_number_outlets_are_met_one_by_one(
    central: CentralSystem, site: Site, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        del peer.settings["NumberOfConnectors"]
        await peer.ready()
        for far in (3, 64):
            assert (await peer.call("StatusNotification", available(far)))[2:] == REFUSED
        for connector in range(1, MAX_GUESSED_EVSES + 1):
            assert (await peer.call("StatusNotification", available(connector)))[0] == 3
            assert station.info.evses == connector
        assert site.statuses[-1][0] == EvseId("CP1", MAX_GUESSED_EVSES)
        frame = await peer.call("StatusNotification", available(MAX_GUESSED_EVSES + 1))
        assert frame[2:] == REFUSED
        assert station.info.evses == MAX_GUESSED_EVSES
        assert station.info.told_evses is None


async def test_an_outlet_that_is_met_before_the_station_tells_how_many_it_has(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        configuration, peer.answers["GetConfiguration"] = peer.answers["GetConfiguration"], None
        peer.settings["NumberOfConnectors"] = "4"
        await peer.boot()
        await peer.until(lambda: peer.calls("GetConfiguration"))
        assert (await peer.call("StatusNotification", available(2)))[0] == 3
        assert (await peer.call("StatusNotification", available(4)))[2:] == REFUSED
        asked = next(json.loads(one) for one in peer.frames if '"GetConfiguration"' in one)
        peer.answers["GetConfiguration"] = configuration
        await peer.send([3, asked[1], configuration(asked[3])])
        await peer.set_up()
        assert (station.info.evses, station.info.told_evses) == (4, 4)
        assert (await peer.call("StatusNotification", available(4)))[0] == 3
        assert (await peer.call("StatusNotification", available(5)))[2:] == REFUSED


async def test_the_owner_may_know_of_more_outlets_than_the_station_tells(
    central: CentralSystem, site: Site
) -> None:
    station = central.add_station("CP2", evses=3)
    async with Peer(central, "CP2") as peer:
        await peer.ready()
        assert (station.info.evses, station.info.told_evses) == (3, 1)
        assert (await peer.call("StatusNotification", available(3)))[0] == 3
        assert (await peer.call("StatusNotification", available(4)))[2:] == REFUSED


async def test_how_many_outlets_a_station_has_is_known_after_a_restart(
    make_central: MakeCentral,
) -> None:
    told: dict[str, Any] = {}
    before = await make_central(on_learned=told.__setitem__)
    before.add_station("CP1")
    async with Peer(before, "CP1") as peer:
        peer.settings["NumberOfConnectors"] = "3"
        await peer.ready()
    central = await make_central()
    station = central.add_station("CP1", learned=told["CP1"])
    assert (station.info.evses, station.info.told_evses) == (3, 3)
    async with Peer(central, "CP1") as peer:
        peer.settings["NumberOfConnectors"] = "3"
        # The first thing that it says: it lost the connection, and not its memory.
        assert (await peer.call("StatusNotification", available(3)))[0] == 3
        assert (await peer.call("StatusNotification", available(4)))[2:] == REFUSED


# Tokens


async def test_a_tap_is_judged_by_the_site(peer: Peer, site: Site) -> None:
    frame = await peer.call("Authorize", {"idTag": "04aabb"})
    assert frame[2]["idTagInfo"]["status"] == "Accepted"
    assert len(frame[2]["idTagInfo"]["parentIdTag"]) == 20
    assert site.taps == [Token("04AABB")]
    site.authorization = INVALID
    frame = await peer.call("Authorize", {"idTag": "04aabb"})
    assert frame[2] == {"idTagInfo": {"status": "Invalid"}}


# Transactions


async def test_a_transaction_gets_its_id_from_the_site(
    peer: Peer, site: Site, station: OcppStation
) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    answer = await peer.start(at)
    assert answer["transactionId"] == 1
    assert answer["idTagInfo"]["status"] == "Accepted"
    assert site.starts == [
        TransactionStart(evse=EVSE, token=Token("04AABB"), at=at, meter_start_wh=1000)
    ]
    assert station.transactions == {1: 1}
    frame = await peer.call(
        "StopTransaction",
        {
            "transactionId": 1,
            "meterStop": 2000,
            "timestamp": stamp(at),
            "reason": "Local",
            "idTag": "04AABB",
            "transactionData": [
                {
                    "timestamp": stamp(at),
                    "sampledValue": [
                        {"value": "2000", "context": "Transaction.End"},
                        {"value": "1000", "context": "Transaction.Begin", "measurand": "Voltage"},
                    ],
                }
            ],
        },
    )
    assert frame[2] == {}
    end = site.ends[0]
    assert (end.station_id, end.transaction_id, end.at, end.meter_stop_wh) == ("CP1", 1, at, 2000)
    assert (end.token, end.reason, end.replayed) == (Token("04AABB"), "Local", False)
    assert [reading.register_wh for reading in end.readings] == [None, 2000]
    assert station.transactions == {}


async def test_the_judgement_of_a_stop_is_passed_on(peer: Peer, site: Site) -> None:
    site.end_authorization = ACCEPTED
    frame = await peer.call(
        "StopTransaction", {"transactionId": 1, "meterStop": 1, "timestamp": stamp()}
    )
    assert frame[2]["idTagInfo"]["status"] == "Accepted"
    assert site.ends[0].token is None


@pytest.mark.parametrize("transaction_id", [-1, 0, 4711])
async def test_a_stop_is_always_answered(peer: Peer, site: Site, transaction_id: int) -> None:
    frame = await peer.call(
        "StopTransaction", {"transactionId": transaction_id, "meterStop": 1, "timestamp": "x"}
    )
    assert frame[0] == 3
    assert site.ends[0].transaction_id == transaction_id
    assert site.ends[0].clock_estimated


async def test_what_happened_offline_keeps_its_time(peer: Peer, site: Site) -> None:
    await peer.start(LONG_AGO)
    await peer.call(
        "StopTransaction",
        {"transactionId": 1, "meterStop": 2000, "timestamp": stamp(LONG_AGO + timedelta(hours=1))},
    )
    start, end = site.starts[0], site.ends[0]
    assert isinstance(end, TransactionEnd)
    assert (start.at, start.replayed, start.clock_estimated) == (LONG_AGO, True, False)
    assert (end.at, end.replayed) == (LONG_AGO + timedelta(hours=1), True)


async def test_a_clock_that_is_wrong_is_noticed(peer: Peer, site: Site, now: Watch) -> None:
    await peer.start(datetime(1970, 1, 1, tzinfo=UTC))
    now.ahead = timedelta(minutes=10)
    await peer.start(datetime.now(UTC), meterStart=2)
    for start in site.starts:
        assert start.clock_estimated
        assert not start.replayed
    assert site.starts[1].at - site.starts[0].at >= timedelta(minutes=10)


async def test_a_start_told_again_has_the_time_of_the_first_telling(
    central: CentralSystem, station: OcppStation, site: Site, now: Watch
) -> None:
    at = datetime.now(UTC)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.start(at)
        # Its answer was lost; a minute later the station tries again, with another message id.
        now.ahead = timedelta(minutes=2)
        await peer.start(at)
        await peer.start(datetime(1970, 1, 1, tzinfo=UTC))
        now.ahead = timedelta(minutes=4)
    async with Peer(central, "CP1") as peer:
        await peer.start(datetime(1970, 1, 1, tzinfo=UTC))
    assert site.starts[0] == site.starts[1]
    assert site.starts[2] == site.starts[3]


async def test_only_a_few_starts_are_remembered(peer: Peer, station: OcppStation) -> None:
    for number in range(STARTS_KEPT + 3):
        await peer.start(meterStart=number)
    assert len(station.starts) == STARTS_KEPT


async def test_a_single_outlet_needs_no_number(peer: Peer, site: Site) -> None:
    await peer.start(connectorId=0)
    assert site.starts[0].evse == EVSE


async def test_connector_0_of_two_is_no_outlet(central: CentralSystem, site: Site) -> None:
    central.add_station("CP2", evses=2)
    async with Peer(central, "CP2") as peer:
        await peer.ready()
        payload = {"connectorId": 0, "idTag": "A", "meterStart": 1, "timestamp": stamp()}
        assert (await peer.call("StartTransaction", payload))[2] == "PropertyConstraintViolation"


async def test_available_ends_what_was_thought_to_run(peer: Peer, station: OcppStation) -> None:
    await peer.start()
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    await peer.call("StatusNotification", status | {"timestamp": stamp(LONG_AGO)})
    assert station.transactions == {1: 1}, "told late"
    for kept in ("Finishing", "SuspendedEV", "SuspendedEVSE", "Charging"):
        await peer.call("StatusNotification", status | {"status": kept})
    assert station.transactions == {1: 1}
    await peer.call("StatusNotification", status)
    assert station.transactions == {}


# Meter values


async def test_meter_values_are_readings(peer: Peer, site: Site, station: OcppStation) -> None:
    await peer.call("MeterValues", meter_values(transactionId=9))
    evse, readings, transaction_id = site.reports[0]
    assert (evse, transaction_id) == (EVSE, 9)
    assert readings[0].register_wh == 1500
    assert station.transactions == {1: 9}


async def test_a_reading_after_the_end_does_not_revive_a_transaction(
    peer: Peer, site: Site, station: OcppStation
) -> None:
    await peer.start()
    await peer.call(
        "StopTransaction", {"transactionId": 1, "meterStop": 1500, "timestamp": stamp()}
    )
    await peer.call("MeterValues", meter_values(transactionId=1))
    assert site.reports[0][2] == 1
    assert station.transactions == {}
    # The site knows which one runs now.
    site.booked_on = 2
    await peer.call("MeterValues", meter_values(transactionId=1))
    assert station.transactions == {1: 2}


@pytest.mark.parametrize("transaction_id", [None, 0, -1])
async def test_a_transaction_that_is_none_is_not_told(
    peer: Peer, site: Site, station: OcppStation, transaction_id: int | None
) -> None:
    told: Payload = {} if transaction_id is None else {"transactionId": transaction_id}
    await peer.call("MeterValues", meter_values(**told))
    assert site.reports[0][2] is None
    assert not station.transactions


async def test_a_transaction_that_only_the_site_knows_is_learned(
    peer: Peer, site: Site, station: OcppStation
) -> None:
    site.booked_on = 7
    await peer.call("MeterValues", meter_values())
    assert station.transactions == {1: 7}


async def test_old_readings_say_nothing_about_what_runs_now(
    peer: Peer, site: Site, station: OcppStation
) -> None:
    site.booked_on = 7
    await peer.call("MeterValues", meter_values(transactionId=9, at=LONG_AGO))
    assert site.reports[0][1][0].at == LONG_AGO
    assert not station.transactions


async def test_readings_without_a_value_are_acknowledged(
    central: CentralSystem, peer: Peer, site: Site
) -> None:
    assert (await peer.call("MeterValues", meter_values("")))[0] == 3
    assert not site.reports
    assert central._connections["CP1"].notes["value is not a number"] == 1


async def test_what_is_odd_is_counted_without_what_was_said(
    peer: Peer, station: OcppStation
) -> None:
    """Whoever reads the notes may not read cards."""
    said = "04AABBCCDDEEFF"
    await peer.call("MeterValues", meter_values(said, transactionId=said, **{said: said}))
    for name in ("measurand", "context", "format", "phase", "location", "unit", said):
        sampled = {"value": "1", name: said}
        values = [{"timestamp": said, "sampledValue": [sampled]}]
        await peer.call("MeterValues", {"connectorId": 1, "meterValue": values})
    # A unit that exists, of something else.
    sampled = {"value": "1", "unit": "Celsius"}
    values = [{"timestamp": stamp(), "sampledValue": [sampled]}]
    await peer.call("MeterValues", {"connectorId": 1, "meterValue": values})
    status = {"connectorId": 1, "errorCode": said, "status": "Available", "info": said * 9}
    await peer.call("StatusNotification", status)
    stop = {"transactionId": said, "meterStop": said, "reason": said, "idTag": said * 9}
    await peer.call("StopTransaction", stop)
    await peer.start(idTag=said * 9, meterStart=said, reservationId=said)
    assert station.notes["unknown unit of Energy.Active.Import.Register"] == 1
    assert len(station.notes) > 8
    assert not [note for note in station.notes if said in note]


async def test_the_meter_of_the_station_is_no_outlet(peer: Peer, site: Site) -> None:
    assert (await peer.call("MeterValues", meter_values(connectorId=0)))[2] == {}
    assert not site.reports
    # Unless it has one outlet and says which transaction.
    await peer.call("MeterValues", meter_values(connectorId=0, transactionId=4))
    assert site.reports[0][0] == EVSE


async def test_the_phases_of_the_car_are_learned_and_forgotten(
    peer: Peer, station: OcppStation
) -> None:
    samples = [
        {"value": amps, "measurand": "Current.Import", "phase": phase}
        for phase, amps in (("L1", "10"), ("L2", "0"), ("L3", "0"))
    ]
    payload = {"connectorId": 1, "meterValue": [{"timestamp": stamp(), "sampledValue": samples}]}
    await peer.call("MeterValues", payload)
    assert station.limiter.phases == {1: 1}
    await peer.start()
    assert station.limiter.phases == {}


# The rest


@pytest.mark.parametrize(
    ("action", "payload", "kind", "what"),
    [
        ("FirmwareStatusNotification", {"status": "Installed"}, "firmware", "Installed"),
        ("DiagnosticsStatusNotification", {"status": "Uploaded"}, "diagnostics", "Uploaded"),
        ("LogStatusNotification", {"status": "Uploaded"}, "diagnostics", "Uploaded"),
        (
            "SecurityEventNotification",
            {"type": "StartupOfTheDevice", "timestamp": "x", "techInfo": "04AABB"},
            "security",
            "StartupOfTheDevice",
        ),
        ("SecurityEventNotification", {"type": "Tampered"}, "security", "Tampered"),
        (
            "SignedFirmwareStatusNotification",
            {"status": "Installed", "requestId": 1},
            "firmware",
            "Installed",
        ),
    ],
)
async def test_what_a_station_tells_about_itself_is_passed_on(
    peer: Peer, site: Site, action: str, payload: Payload, *, kind: str, what: str
) -> None:
    assert (await peer.call(action, payload))[2] == {}
    (event,) = site.events
    assert (event.station_id, event.kind, event.what, event.detail) == ("CP1", kind, what, "")


@pytest.mark.parametrize("accepted", [True, False, None])
async def test_a_request_for_a_certificate(
    peer: Peer, station: OcppStation, site: Site, accepted: bool | None
) -> None:
    asked: list[str] = []

    async def sign(csr: str) -> bool:
        asked.append(csr)
        return bool(accepted)

    station.sign_certificate = None if accepted is None else sign
    status = "Accepted" if accepted else "Rejected"
    assert (await peer.call("SignCertificate", {"csr": "CSR"}))[2] == {"status": status}
    assert asked == ([] if accepted is None else ["CSR"])
    assert [event.what for event in site.events] == [status]


async def test_a_start_without_a_register_goes_on_from_the_last_one(peer: Peer, site: Site) -> None:
    await peer.call("MeterValues", meter_values("1500"))
    at = datetime.now(UTC)
    for _ in range(2):
        await peer.start(at, meterStart="?")
        # Told again, it is the same, although the meter has moved on.
        await peer.call("MeterValues", meter_values("1600"))
    assert [start.meter_start_wh for start in site.starts] == [1500, 1500]


async def test_an_end_without_a_register_leaves_it_open(peer: Peer, site: Site) -> None:
    transaction_id = (await peer.start())["transactionId"]
    payload = {"transactionId": transaction_id, "timestamp": stamp()}
    assert (await peer.call("StopTransaction", payload))[0] == 3
    assert site.ends[-1].meter_stop_wh is None


async def test_a_start_names_the_reservation_it_uses(peer: Peer, site: Site) -> None:
    await peer.start(reservationId=7)
    assert site.starts[-1].reservation_id == 7


async def test_the_data_of_a_vendor_is_not_understood(peer: Peer) -> None:
    frame = await peer.call("DataTransfer", {"vendorId": "V", "data": {"a": 1}})
    assert frame[2] == {"status": "UnknownVendorId"}


# Changes


async def test_a_station_can_be_changed_while_it_is_connected(
    central: CentralSystem, station: OcppStation, peer: Peer
) -> None:
    assert central.add_station("CP1", evses=2, fallback_current_a=8) is station
    assert station.online
    assert station.info.evses == 2
    assert station.limiter.fallback_current_a == 8
    assert central.stations == {"CP1": station}


async def test_a_removed_station_is_a_stranger(
    central: CentralSystem, station: OcppStation, peer: Peer
) -> None:
    await central.remove_station("CP1")
    await peer.closed.wait()
    assert peer.ws.close_code == 1001
    assert not station.online
    assert not peer.calls("ClearChargingProfile"), "it was not given a fallback"
    await central.remove_station("CP1")
    async with Peer(central, "CP1") as again:
        assert (await again.boot())["status"] == "Pending"
