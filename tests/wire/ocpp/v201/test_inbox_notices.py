"""What a station of OCPP 2.x tells about itself, as it is passed on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.forecourt.core.model.events import StationEventKind
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.reservation import ReservationStatus
from custom_components.forecourt.stations.ocpp import OcppStation
from tests.wire.ocpp.peer import Payload, stamp

from .peer import Books, Peer201

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = stamp(AT)


def event(
    component: Payload, variable: str, value: str, *, trigger: str = "Alerting", **more: Any
) -> Payload:
    told = {
        "eventId": 1,
        "timestamp": STAMP,
        "trigger": trigger,
        "actualValue": value,
        "eventNotificationType": "HardWiredMonitor",
        "component": component,
        "variable": {"name": variable},
        **more,
    }
    return {"generatedAt": STAMP, "seqNo": 0, "eventData": [told]}


@pytest.mark.parametrize(
    ("action", "payload", "expected"),
    [
        (
            "FirmwareStatusNotification",
            {"status": "Installed", "requestId": 1},
            (StationEventKind.FIRMWARE, "Installed", ""),
        ),
        (
            "PublishFirmwareStatusNotification",
            {"status": "Downloading"},
            (StationEventKind.FIRMWARE, "Downloading", ""),
        ),
        (
            "LogStatusNotification",
            {"status": "Uploaded"},
            (StationEventKind.DIAGNOSTICS, "Uploaded", ""),
        ),
        (
            "SecurityEventNotification",
            {"type": "InvalidFirmwareSignature", "timestamp": STAMP, "techInfo": "password x"},
            (StationEventKind.SECURITY, "InvalidFirmwareSignature", ""),
        ),
        (
            "NotifyChargingLimit",
            {"chargingLimit": {"chargingLimitSource": "SO", "isGridCritical": True}, "evseId": 1},
            (StationEventKind.EXTERNAL_LIMIT, "SO", "EVSE 1, grid critical"),
        ),
        (
            "ClearedChargingLimit",
            {"chargingLimitSource": "SO"},
            (StationEventKind.EXTERNAL_LIMIT, "SO", "cleared"),
        ),
        (
            "NotifyDisplayMessages",
            {
                "requestId": 1,
                "messageInfo": [
                    {
                        "id": 1,
                        "priority": "NormalCycle",
                        "message": {"format": "UTF8", "content": "Hello Anna"},
                    }
                ],
            },
            (StationEventKind.DISPLAY, "messages", "1"),
        ),
        (
            "NotifyEvent",
            event({"name": "Cable"}, "Temperature", "88"),
            (StationEventKind.MONITORING, "Cable.Temperature", "88, Alerting"),
        ),
    ],
)
async def test_what_is_told_is_passed_on(
    peer: Peer201,
    site: Books,
    action: str,
    payload: Payload,
    expected: tuple[StationEventKind, str, str],
) -> None:
    assert await peer.told(action, **payload) == {}
    (told,) = site.events
    assert told.station_id == "CP1"
    assert (told.kind, told.what, told.detail) == expected
    if STAMP in str(payload):
        assert told.at == AT


async def test_what_is_personal_goes_nowhere(peer: Peer201, site: Books) -> None:
    told = {"data": "Anna", "requestId": 1, "generatedAt": STAMP, "seqNo": 0}
    assert await peer.told("NotifyCustomerInformation", **told) == {}
    assert not site.events


@pytest.mark.parametrize(
    ("word", "status"),
    [("Expired", ReservationStatus.EXPIRED), ("Removed", ReservationStatus.REMOVED)],
)
async def test_a_reservation_ends(
    peer: Peer201, site: Books, word: str, status: ReservationStatus
) -> None:
    told = {"reservationId": 7, "reservationUpdateStatus": word}
    assert await peer.told("ReservationStatusUpdate", **told) == {}
    assert site.reservations == [("CP1", 7, status)]


# Problems


async def test_a_problem_of_the_station_is_its_fault(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.told("NotifyEvent", **event({"name": "TokenReader"}, "Problem", "true"))
    assert station.fault == "TokenReader"
    assert len(site.events) == 1
    await peer.told("NotifyEvent", **event({"name": "TokenReader"}, "Problem", "false"))
    assert station.fault is None


async def test_a_problem_of_an_outlet_is_told_with_its_status(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.plug("Faulted")
    lock = {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1}}
    await peer.told("NotifyEvent", **event(lock, "Problem", "true", techCode="E7"))
    assert site.statuses[-1][1::2] == (EvseStatus.FAULTED, "ConnectorPlugRetentionLock (E7)")
    await peer.told("NotifyEvent", **event(lock, "Problem", "true", cleared=True))
    assert site.statuses[-1][1::2] == (EvseStatus.FAULTED, None)
    assert station.fault is None


async def test_a_problem_of_an_outlet_that_is_not_is_the_stations(
    peer: Peer201, station: OcppStation
) -> None:
    await peer.told("NotifyEvent", **event({"name": "X", "evse": {"id": 9}}, "Problem", "true"))
    assert station.fault == "X"
    assert station.info.evses == 1


# Certificates


async def test_without_an_authority_nothing_is_signed(peer: Peer201, site: Books) -> None:
    assert await peer.told("SignCertificate", csr="x") == {"status": "Rejected"}
    assert [(one.kind, one.what) for one in site.events] == [
        (StationEventKind.CERTIFICATE, "Rejected")
    ]


@pytest.mark.parametrize(("signed", "answer"), [(True, "Accepted"), (False, "Rejected")])
async def test_a_certificate_is_asked_for(
    peer: Peer201, site: Books, station: OcppStation, *, signed: bool, answer: str
) -> None:
    asked: list[str] = []

    async def sign(csr: str) -> bool:
        asked.append(csr)
        return signed

    station.sign_certificate = sign
    assert await peer.told("SignCertificate", csr="x") == {"status": answer}
    for_cars = {"csr": "y", "certificateType": "V2GCertificate"}
    assert await peer.told("SignCertificate", **for_cars) == {"status": "Rejected"}
    assert asked == ["x"]
    assert [one.detail for one in site.events] == ["", "V2GCertificate"]
