"""What a second central system is told of a station, and what becomes of it while it is away."""

from collections.abc import AsyncIterator
from dataclasses import replace
import logging
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import StationError
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.forward import State
from custom_components.forecourt.stations.ocpp.forward.backlog import Backlog
from custom_components.forecourt.stations.ocpp.forward.relay import NEUTRAL_TAG

from .backend import QUICK_PACE, Backend
from .conftest import QUICK
from .peer import Payload, Peer, Site, Watch, stamp

CARD = "04AABB"
OURS = "0123456789ABCDEF0123"
NOT_YET = {"status": "Pending", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend() as backend:
        yield backend


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[Peer]:
    async with Peer(central, "CP1") as peer:
        yield await peer.ready()


def state(station: OcppStation) -> State:
    state = station.forwarder.state()
    assert state is not None
    return state


async def meter(peer: Peer, value: int, transaction_id: int | None = None) -> None:
    payload: Payload = {
        "connectorId": 1,
        "meterValue": [{"timestamp": stamp(), "sampledValue": [{"value": str(value)}]}],
    }
    if transaction_id is not None:
        payload["transactionId"] = transaction_id
    assert (await peer.call("MeterValues", payload))[0] == 3


async def status(peer: Peer, word: str, connector: int = 1) -> None:
    payload = {"connectorId": connector, "errorCode": "NoError", "status": word}
    assert (await peer.call("StatusNotification", payload))[0] == 3


async def stop(peer: Peer, transaction_id: int, **more: Any) -> None:
    payload = {"transactionId": transaction_id, "meterStop": 5000, "timestamp": stamp(), **more}
    assert (await peer.call("StopTransaction", payload))[0] == 3


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


async def test_heartbeats_come_at_the_interval_that_it_gives(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["BootNotification"] |= {"interval": 1}
    backend.answers["Heartbeat"] = "InternalError"
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("Heartbeat", 2)
    assert backend.here == 1


async def test_or_at_our_own_where_it_gives_none(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["BootNotification"] |= {"interval": 0}
    station.forward_to(backend.target(), replace(QUICK_PACE, heartbeat_s=0.02))
    await backend.until_told("Heartbeat", 3)
    backend.answers["Heartbeat"] = None
    await backend.until_told("BootNotification", 2)
    assert state(station)["error"] in (None, "it did not answer in time")


async def test_nothing_is_told_before_it_accepts_the_station(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    accepted = backend.answers["BootNotification"]
    backend.answers["BootNotification"] = NOT_YET
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("BootNotification")
    await status(peer, "Charging")
    await peer.start()
    await backend.until(lambda: state(station)["error"])
    assert state(station)["error"] == "the station is not accepted: Pending"
    assert backend.actions == ["BootNotification"]
    backend.answers["BootNotification"] = accepted
    assert (await backend.ask("TriggerMessage", {"requestedMessage": "BootNotification"}))[2] == {
        "status": "Accepted"
    }
    await backend.until_told("StartTransaction")
    assert backend.actions == [
        *("BootNotification", "BootNotification", "StatusNotification", "StartTransaction")
    ]
    await backend.until(lambda: state(station)["error"] is None)


async def test_a_station_that_is_not_accepted_goes_at_once(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    backend.answers["BootNotification"] = NOT_YET
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.start()
        await backend.until_told("BootNotification")
    await backend.until(lambda: not backend.connections)
    # It may be accepted next time.
    assert state(station)["queued"] == 1


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


async def test_a_refused_boot_is_tried_again(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    accepted = backend.answers["BootNotification"]
    backend.answers["BootNotification"] = "InternalError"
    station.forward_to(backend.target(), replace(QUICK_PACE, heartbeat_s=0.02))
    await backend.until_told("BootNotification", 2)
    assert state(station)["error"] == "the station is not accepted: no answer"
    backend.answers["BootNotification"] = accepted
    await status(peer, "Charging")
    await backend.until_told("StatusNotification")
    assert backend.here == 1


async def test_a_restart_of_the_station_is_told(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await status(peer, "Available")
    await backend.until_told("StatusNotification")
    await peer.boot(firmwareVersion="2.0")
    boot = await backend.until_told("BootNotification", 2)
    assert boot["firmwareVersion"] == "2.0"
    await backend.until_told("StatusNotification", 2)
    assert backend.here == 1


async def test_a_station_that_does_not_boot_is_told_as_it_is(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await status(peer, "Available")
        await backend.until_told("StatusNotification")
        assert backend.actions == ["StatusNotification"]
        answer = await backend.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
        assert answer[2] == {"status": "Rejected"}


async def test_it_sees_the_station_go_and_come(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await backend.until_told("BootNotification")
    await backend.until(lambda: not backend.connections)
    assert not state(station)["connected"]
    assert state(station)["error"] is None
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await backend.until_told("BootNotification", 2)


async def test_what_waits_is_told_after_the_station_went(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=5))
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await status(peer, "Charging")
        await backend.until_told("StatusNotification")
        backend.answers["StartTransaction"] = None
        ours = (await peer.start())["transactionId"]
        await stop(peer, ours)
        await backend.until_told("StartTransaction")
    await backend.until(lambda: not station.forwarder._present)
    assert backend.connections == 1
    await backend.answer_late({"transactionId": 5, "idTagInfo": {"status": "Accepted"}})
    assert (await backend.until_told("StopTransaction"))["transactionId"] == 5
    await backend.until(lambda: not backend.connections)


async def test_a_short_absence_is_not_seen(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), replace(QUICK_PACE, linger_s=60))
    for times in (1, 2):
        async with Peer(central, "CP1") as peer:
            await peer.ready()
            await backend.until_told("BootNotification", times)
    assert backend.here == 1


async def test_no_connection_outlives_the_station(
    central: CentralSystem, backend: Backend, station: OcppStation
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await backend.until_told("BootNotification")
        await central.remove_station("CP1")
        await backend.until(lambda: not backend.connections)
        assert not state(station)["connected"]


async def test_turned_off_it_ends(peer: Peer, station: OcppStation, backend: Backend) -> None:
    backend.answers["StatusNotification"] = None
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=60))
    await status(peer, "Available")
    await backend.until_told("StatusNotification")
    station.forward_to(None)
    # Also while it waits for an answer.
    await backend.until(lambda: not backend.connections)
    assert station.forwarder.state() is None
    await peer.start()
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("StatusNotification", 2)
    # What happened in between is not their business.
    assert "StartTransaction" not in backend.actions


async def test_it_may_go_to_another_system(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["StartTransaction"] = None
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=60))
    await peer.start()
    await backend.until_told("StartTransaction")
    async with Backend() as other:
        station.forward_to(other.target(identity="EMP-7"), QUICK_PACE)
        await status(peer, "Charging")
        await other.until_told("StatusNotification")
        assert other.actions == ["BootNotification", "StatusNotification"]
        assert other.paths == ["/ocpp/EMP-7"]
        await backend.until(lambda: not backend.connections)
        station.forward_to(None)


async def test_with_a_new_password_what_waits_is_told(
    peer: Peer, station: OcppStation, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    backend.status = 401
    slow = replace(QUICK_PACE, retry_first_s=60, retry_most_s=60, steady_s=60)
    station.forward_to(backend.target(password="wrong-one"), slow)
    await peer.start()
    await backend.until(lambda: state(station)["error"])
    assert state(station)["error"] == "it refused the connection (HTTP 401)"
    backend.status = None
    station.forward_to(backend.target(password="right-one"), slow)
    # The same again is no change.
    station.forward_to(backend.target(password="right-one"), slow)
    await backend.until_told("StartTransaction")
    assert backend.logins == ["Basic Q1AxOndyb25nLW9uZQ==", "Basic Q1AxOnJpZ2h0LW9uZQ=="]
    for secret in ("-one", "Q1Ax", CARD):
        assert secret not in caplog.text
        assert secret not in repr(backend.target(password="right-one"))


async def test_two_of_our_own_kind(
    peer: Peer, station: OcppStation, backend: Backend, now: Watch
) -> None:
    """The second central system is one like the first."""
    employer = Site()
    other = CentralSystem(employer, now=now, timing=QUICK)
    await other.start("127.0.0.1", 0)
    station.forward_to(backend.target(url=f"ws://127.0.0.1:{other.port}"), QUICK_PACE)
    await status(peer, "Preparing")
    await peer.until(lambda: other.pending.get("CP1") and other.pending["CP1"].model)
    assert other.pending["CP1"].vendor == "Acme"
    seen = other.add_station("CP1")
    await peer.until(lambda: seen.online)
    asked, before = len(peer.asked), dict(peer.settings)
    employer.starts.extend([None] * 40)  # type: ignore[list-item]
    ours = (await peer.start())["transactionId"]
    await meter(peer, 1500, ours)
    await stop(peer, ours)
    await peer.until(lambda: employer.ends)
    assert employer.starts[-1].token.uid == CARD  # type: ignore[union-attr]
    assert [report[2] for report in employer.reports] == [41]
    assert employer.ends[0].transaction_id == 41
    assert ours != 41
    # It tried to set the station up, and nothing of that came through.
    assert len(peer.asked) == asked
    assert peer.settings == before
    with pytest.raises(StationError):
        await seen.start(EvseId("CP1", 1), Token(CARD))
    assert len(peer.asked) == asked
    await other.stop()
