"""Which version of OCPP a station gets, and what 2.1 has of its own."""

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.versions import VERSIONS, negotiated
from tests.wire.ocpp.peer import Payload

from .peer import CARD, Books, Peer201, meter

WHEN = "2026-06-01T12:00:00Z"
STREAM: Payload = {"id": 1, "pending": 0, "basetime": WHEN, "data": [{"t": 0, "v": "1"}]}


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        (None, "ocpp1.6"),
        ("", "ocpp1.6"),
        ("ocpp2.1, ocpp2.0.1, ocpp1.6", "ocpp2.1"),
        ("ocpp2.0.1,ocpp2.1", "ocpp2.0.1"),
        ("ocpp2.0, ocpp1.6", "ocpp1.6"),
        ("ocpp2.0", None),
    ],
)
def test_the_first_that_is_spoken_here(offered: str | None, spoken: str | None) -> None:
    version = negotiated(offered)
    assert (None if version is None else version.subprotocol) == spoken


def test_three_are_spoken() -> None:
    assert set(VERSIONS) == {"ocpp1.6", "ocpp2.0.1", "ocpp2.1"}


async def test_a_charge_in_2_1(central: CentralSystem, station: OcppStation, site: Books) -> None:
    async with Peer201(central, protocol="ocpp2.1") as peer:
        assert peer.ws.protocol == "ocpp2.1"
        await peer.ready()
        token = {"idToken": "X" * 255, "type": "DirectPayment"}
        await peer.event("Started", idToken=token, meterValue=meter(1000))
        await peer.event("Updated", triggerReason="LimitSet", info={"chargingState": "Charging"})
        await peer.event(
            "Ended", meterValue=meter(2000), info={"stoppedReason": "ReqEnergyTransferRejected"}
        )
        assert site.starts[0].token is not None
        assert site.ends[0].reason == "ReqEnergyTransferRejected"
        assert station.info.protocol == "ocpp2.1"
    assert "unknown triggerReason" not in station.notes


@pytest.mark.parametrize(
    "action",
    [
        "BatterySwap",
        "GetCertificateChainStatus",
        "NotifyDERAlarm",
        "NotifyDERStartStop",
        "NotifyPriorityCharging",
        "NotifySettlement",
        "OpenPeriodicEventStream",
        "ClosePeriodicEventStream",
        "PullDynamicScheduleUpdate",
        "ReportDERControl",
        "VatNumberValidation",
    ],
)
async def test_what_2_1_adds_is_answered(
    central: CentralSystem, station: OcppStation, action: str
) -> None:
    async with Peer201(central, protocol="ocpp2.1") as peer:
        await peer.ready()
        frame = await peer.call(action, {})
        assert frame[0] == 4
        assert frame[2] == "NotImplemented"


async def test_a_message_that_wants_no_answer_is_dropped(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer201(central, protocol="ocpp2.1") as peer:
        await peer.ready()
        await peer.send([6, "s1", "NotifyPeriodicEventStream", STREAM])
        await peer.event("Started", idToken=CARD, meterValue=meter(1000))
        assert not peer.stray
    assert station.notes["message not taken: NotImplemented"] == 1


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_what_is_odd_is_counted_without_what_was_said(
    central: CentralSystem, station: OcppStation, protocol: str
) -> None:
    """Whoever reads the notes may not read cards."""
    said = "04AABBCCDDEEFF"
    samples: list[Payload] = [
        {"value": 1, name: said} for name in ("measurand", "context", "location", "phase", said)
    ]
    samples += [{"value": 1, "unitOfMeasure": {"unit": said}}, {"value": said}]
    samples += [{"value": 1, "unit": said}, {"value": 1, "unitOfMeasure": {"multiplier": said}}]
    async with Peer201(central, protocol=protocol) as peer:
        await peer.call(
            "BootNotification", {"reason": said, "chargingStation": {"vendorName": "A", said: 1}}
        )
        await peer.ready()
        for one in samples:
            await peer.call("MeterValues", {"evseId": 1, "meterValue": meter(one)})
        token = {"idToken": said, "type": said * 3}
        info = {"chargingState": said, "stoppedReason": said}
        await peer.event("Ended", info=info, triggerReason=said, idToken=token, meterValue=said)
        await peer.call(said, {})
        await peer.send([4, "?", said, said, {}])
        await peer.plug("Available")
    assert len(station.notes) > 8
    assert not [note for note in station.notes if said in note]
