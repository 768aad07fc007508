"""What a second central system is told of a station, also of what it missed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.forward.backlog import Backlog
from custom_components.forecourt.stations.ocpp.forward.relay import NEUTRAL_TAG

from .backend import QUICK_PACE, Backend, meter, state, status, stop
from .peer import Peer, Site, stamp

CARD = "04AABB"
OURS = "0123456789ABCDEF0123"


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend() as backend:
        yield backend


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[Peer]:
    async with Peer(central, "CP1") as peer:
        yield await peer.ready()


def values(backend: Backend) -> list[int]:
    """Return the registers that were told."""
    return [
        int(payload["meterValue"][0]["sampledValue"][0]["value"])
        for payload in backend.payloads("MeterValues")
    ]


async def test_a_charge_is_told_in_order_with_the_ids_of_over_there(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("BootNotification")
    await status(peer, "Preparing")
    ours = (await peer.start())["transactionId"]
    await meter(peer, 1500, ours)
    await stop(peer, ours, idTag=CARD)
    await backend.until_told("StopTransaction")
    assert backend.actions == [
        "BootNotification",
        "StatusNotification",
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
    ]
    assert backend.payloads("BootNotification") == [
        {"chargePointVendor": "Acme", "chargePointModel": "Box"}
    ]
    (start,) = backend.payloads("StartTransaction")
    assert (start["idTag"], start["meterStart"]) == (CARD, 1000)
    assert ours != 777
    assert backend.payloads("MeterValues")[0]["transactionId"] == 777
    end = backend.payloads("StopTransaction")[0]
    assert (end["transactionId"], end["meterStop"], end["idTag"]) == (777, 5000, CARD)
    await backend.until(lambda: state(station)["sent"] == 5)
    assert state(station) == {
        "connected": True,
        "error": None,
        "queued": 0,
        "sent": 5,
        "dropped": 0,
        "refused": 0,
    }
    assert backend.paths == ["/ocpp/CP1"]
    assert backend.logins == [None]


async def test_what_happens_while_it_is_away_is_told_later(
    peer: Peer, station: OcppStation
) -> None:
    async with Backend() as gone:
        pass
    station.forward_to(gone.target(), QUICK_PACE)
    station.expect_evses(2)
    await status(peer, "Preparing")
    ours = (await peer.start())["transactionId"]
    await status(peer, "Charging")
    await status(peer, "Available", 2)
    await meter(peer, 1500, ours)
    await stop(peer, ours)
    await peer.until(lambda: state(station)["error"])
    assert state(station)["queued"] == 3
    assert not state(station)["connected"]
    async with Backend(gone.port) as backend:
        await backend.until_told("StopTransaction")
        # Of the statuses only the last of each connector is worth telling.
        assert backend.told[:3] == [
            ("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "Box"}),
            (
                "StatusNotification",
                {"connectorId": 1, "errorCode": "NoError", "status": "Charging"},
            ),
            (
                "StatusNotification",
                {"connectorId": 2, "errorCode": "NoError", "status": "Available"},
            ),
        ]
        assert backend.actions[3:] == ["StartTransaction", "MeterValues", "StopTransaction"]
        assert {
            payload["transactionId"]
            for action, payload in backend.told
            if action in ("MeterValues", "StopTransaction")
        } == {777}
        await backend.until(lambda: state(station)["error"] is None)
        station.forward_to(None)


async def test_a_charge_goes_on_over_a_lost_connection(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await status(peer, "Charging")
    ours = (await peer.start())["transactionId"]
    await backend.until(lambda: state(station)["sent"] == 3)
    await backend.drop()
    await meter(peer, 1500, ours)
    await stop(peer, ours)
    await backend.until_told("StopTransaction")
    assert backend.actions == [
        *("BootNotification", "StatusNotification", "StartTransaction"),
        *("BootNotification", "StatusNotification", "MeterValues", "StopTransaction"),
    ]
    assert backend.payloads("StopTransaction")[0]["transactionId"] == 777


async def test_of_what_waited_only_the_last_status_is_told(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["FirmwareStatusNotification"] = None
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=60))
    await backend.until(lambda: state(station)["sent"] == 1)
    await peer.call("FirmwareStatusNotification", {"status": "Idle"})
    await backend.until_told("FirmwareStatusNotification")
    for word in ("Preparing", "Charging", "Finishing"):
        await status(peer, word)
    del backend.answers["FirmwareStatusNotification"]
    await backend.drop()
    await peer.call("DiagnosticsStatusNotification", {"status": "Idle"})
    await backend.until_told("DiagnosticsStatusNotification")
    assert [told["status"] for told in backend.payloads("StatusNotification")] == ["Finishing"]


async def test_a_status_that_was_not_answered_does_not_wait(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["StatusNotification"] = None
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=60))
    await status(peer, "Preparing")
    await backend.until_told("StatusNotification")
    await backend.stop()
    await peer.until(lambda: not state(station)["connected"])
    # It is remembered in any case.
    assert state(station)["queued"] == 0
    await backend.start()
    await backend.until_told("StatusNotification", 2)


async def test_what_was_not_answered_is_told_again_and_the_rest_waits_for_it(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    silent: list[bool] = [True]
    start = backend.answers["StartTransaction"]
    backend.answers["StartTransaction"] = lambda payload: None if silent.pop() else start(payload)
    silent[:] = [False, True]
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=0.1))
    ours = (await peer.start())["transactionId"]
    await meter(peer, 1500, ours)
    await backend.until_told("MeterValues")
    assert backend.actions == [
        *("BootNotification", "StartTransaction"),
        *("BootNotification", "StartTransaction", "MeterValues"),
    ]
    assert backend.payloads("MeterValues")[0]["transactionId"] == 777


@pytest.mark.parametrize("answer", ["InternalError", {"transactionId": "none of an id"}])
async def test_a_start_that_is_not_taken_has_no_end(
    peer: Peer, station: OcppStation, backend: Backend, answer: Any
) -> None:
    backend.answers["StartTransaction"] = answer
    station.forward_to(backend.target(), QUICK_PACE)
    ours = (await peer.start())["transactionId"]
    await meter(peer, 1500, ours)
    await stop(peer, ours)
    await status(peer, "Available")
    await backend.until_told("StatusNotification")
    assert "StopTransaction" not in backend.actions
    # What the meter shows is true in any case.
    assert "transactionId" not in backend.payloads("MeterValues")[0]
    assert state(station)["dropped"] == 1
    assert state(station)["refused"] == (1 if isinstance(answer, str) else 0)


async def test_a_charge_that_began_before_is_not_ended_over_there(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    await status(peer, "Charging")
    ours = (await peer.start())["transactionId"]
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("StatusNotification")
    await meter(peer, 1500, ours)
    await stop(peer, ours)
    await status(peer, "Available")
    await backend.until_told("StatusNotification", 2)
    assert backend.actions == [
        *("BootNotification", "StatusNotification", "MeterValues", "StatusNotification")
    ]
    assert "transactionId" not in backend.payloads("MeterValues")[0]


async def test_a_start_that_the_station_repeats_is_told_once(
    peer: Peer, station: OcppStation, backend: Backend, site: Site
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    ours = (await peer.start())["transactionId"]
    # The books know it again.
    site.starts.clear()
    assert (await peer.start())["transactionId"] == ours
    await stop(peer, ours)
    await stop(peer, ours)
    await status(peer, "Available")
    await backend.until_told("StatusNotification")
    assert backend.actions.count("StartTransaction") == 1
    assert backend.actions.count("StopTransaction") == 1


async def test_questions_are_not_relayed_but_what_a_station_reports_is(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await peer.call("Authorize", {"idTag": CARD})
    await peer.call("Heartbeat")
    await peer.call("FirmwareStatusNotification", {"status": "Installed"})
    await peer.call("DiagnosticsStatusNotification", {"status": "Idle"})
    event = {"type": "TamperDetection", "timestamp": stamp(), "techInfo": "lid"}
    await peer.call("SecurityEventNotification", event)
    await peer.call("DataTransfer", {"vendorId": "Acme", "data": "x"})
    # What is mended for us is mended for them.
    await peer.call("FirmwareStatusNotification", {"status": "Idle", "extra": 1})
    await peer.call("FirmwareStatusNotification", {"status": "Strange"})
    await backend.until_told("FirmwareStatusNotification", 2)
    assert backend.told[1:] == [
        ("FirmwareStatusNotification", {"status": "Installed"}),
        ("DiagnosticsStatusNotification", {"status": "Idle"}),
        ("SecurityEventNotification", event),
        ("DataTransfer", {"vendorId": "Acme", "data": "x"}),
        ("FirmwareStatusNotification", {"status": "Idle"}),
    ]


async def test_a_slow_system_does_not_delay_the_station(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["StatusNotification"] = None
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=60))
    await status(peer, "Preparing")
    await backend.until_told("StatusNotification")
    ours = (await peer.start())["transactionId"]
    await meter(peer, 1500, ours)
    await stop(peer, ours)
    assert backend.actions == ["BootNotification", "StatusNotification"]
    assert state(station)["queued"] == 3


async def test_of_too_much_the_oldest_meter_values_go(peer: Peer, station: OcppStation) -> None:
    async with Backend() as gone:
        pass
    station.forward_to(gone.target(), QUICK_PACE)
    station.forwarder._relay.backlog = Backlog(max_messages=4)
    ours = (await peer.start())["transactionId"]
    for value in (1100, 1200, 1300, 1400):
        await meter(peer, value, ours)
    await stop(peer, ours)
    assert state(station)["queued"] == 4
    assert state(station)["dropped"] == 2
    async with Backend(gone.port) as backend:
        await backend.until_told("StopTransaction")
        assert values(backend) == [1300, 1400]
        station.forward_to(None)


async def test_a_message_that_it_stumbles_over_is_given_up(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["MeterValues"] = Backend.DROP
    station.forward_to(backend.target(), QUICK_PACE)
    await meter(peer, 1500)
    await peer.call("FirmwareStatusNotification", {"status": "Idle"})
    await backend.until_told("FirmwareStatusNotification")
    assert values(backend) == [1500] * 5
    assert state(station)["dropped"] == 1


async def test_no_card_is_told_where_none_is_wanted(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(send_tokens=False), QUICK_PACE)
    ours = (await peer.start())["transactionId"]
    await peer.call("DataTransfer", {"vendorId": "Acme", "data": CARD})
    event = {"type": "InvalidTag", "timestamp": stamp(), "techInfo": CARD}
    await peer.call("SecurityEventNotification", event)
    await stop(peer, ours, idTag=CARD)
    await backend.until_told("StopTransaction")
    assert CARD not in str(backend.told)
    assert backend.payloads("StartTransaction")[0]["idTag"] == NEUTRAL_TAG
    assert backend.payloads("StopTransaction")[0]["idTag"] == NEUTRAL_TAG
    assert "DataTransfer" not in backend.actions
    assert state(station)["dropped"] == 0


async def test_the_tags_of_the_site_are_never_told(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(is_secret_tag=lambda tag: tag == OURS), QUICK_PACE)
    ours = (await peer.start(idTag=OURS.lower(), reservationId=5))["transactionId"]
    await stop(peer, ours, idTag=CARD)
    await backend.until_told("StopTransaction")
    (start,) = backend.payloads("StartTransaction")
    assert start["idTag"] == NEUTRAL_TAG
    # An id of ours, which is no reservation over there.
    assert "reservationId" not in start
    assert backend.payloads("StopTransaction")[0]["idTag"] == CARD


async def test_the_station_lives_on_whatever_goes_wrong(
    peer: Peer, station: OcppStation, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: str) -> bool:
        raise RuntimeError

    station.forward_to(backend.target(is_secret_tag=broken), QUICK_PACE)
    await peer.start()
    await status(peer, "Charging")
    await backend.until(lambda: state(station)["dropped"] == 1)
    await backend.until(lambda: state(station)["connected"])
    assert "StartTransaction" not in backend.actions
    assert "Could not relay what CP1 reports" in caplog.text
    assert CARD not in caplog.text


async def test_what_cannot_be_told_is_left_out(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"customData": deep}
    station.observed("StatusNotification", {"connectorId": 2, **deep}, {})
    await status(peer, "Available")
    station.forward_to(backend.target(), QUICK_PACE)
    station.observed("FirmwareStatusNotification", {"status": "Strange"}, {})
    await peer.call("FirmwareStatusNotification", {"status": "Idle"})
    await backend.until_told("FirmwareStatusNotification")
    assert backend.told[1:] == [
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        ),
        ("FirmwareStatusNotification", {"status": "Idle"}),
    ]
    assert state(station)["dropped"] == 2
