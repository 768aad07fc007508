"""A station of OCPP 2.x that is relayed to a second central system."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.forward.relay import NEUTRAL_TAG
from tests.wire.ocpp.backend import QUICK_PACE, Backend
from tests.wire.ocpp.conftest import QUICK
from tests.wire.ocpp.peer import Peer, Watch, stamp

from .peer import CARD, Books, Peer201, meter

NEUTRAL = {"idToken": NEUTRAL_TAG, "type": "Central"}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend() as backend:
        yield backend


def tokens(backend: Backend) -> list[Any]:
    return [payload.get("idToken") for payload in backend.payloads("TransactionEvent")]


async def test_events_are_told_as_they_are(
    peer: Peer201, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await peer.plug("Occupied")
    await peer.told("Authorize", idToken=CARD)
    events = [
        peer.payload("Started", idToken=CARD),
        peer.payload("Updated", meterValue=meter(1500)),
        peer.payload("Ended", meterValue=meter(2500)),
    ]
    for event in events:
        await peer.told("TransactionEvent", **event)
    await backend.until_told("TransactionEvent", 3)
    assert backend.actions[:2] == ["BootNotification", "StatusNotification"]
    assert backend.payloads("TransactionEvent") == events
    assert "Authorize" not in backend.actions
    state = station.forwarder.state()
    assert state is not None
    assert (state["dropped"], state["refused"]) == (0, 0)


async def test_a_reconnection_is_no_restart(
    peer: Peer201, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("BootNotification")
    await backend.until(lambda: station.forwarder._relay.boot)
    await backend.drop()
    await backend.until_told("BootNotification", 2)
    await peer.boot()
    await backend.until_told("BootNotification", 3)
    reasons = [payload["reason"] for payload in backend.payloads("BootNotification")]
    assert reasons == ["PowerUp", "Unknown", "PowerUp"]


async def test_tokens_of_the_site_are_never_told(
    peer: Peer201, station: OcppStation, backend: Backend
) -> None:
    secret = CARD["idToken"]
    station.forward_to(backend.target(is_secret_tag=lambda tag: tag == secret), QUICK_PACE)
    ours = {"idToken": "0123456789", "type": "Central"}
    nobody = {"idToken": "", "type": "NoAuthorization"}
    other = {"idToken": "04CCDD", "type": "ISO14443"}
    info = {"remoteStartId": 7}
    await peer.event("Started", "T1", idToken=ours, info=info, reservationId=3)
    for number, token in enumerate((CARD, nobody, other), 2):
        await peer.event("Started", f"T{number}", idToken=token)
    await backend.until_told("TransactionEvent", 4)
    assert tokens(backend) == [NEUTRAL, NEUTRAL, nobody, other]
    first = backend.payloads("TransactionEvent")[0]
    assert first["transactionInfo"] == {"transactionId": "T1"}
    assert "reservationId" not in first


async def test_no_card_is_told_where_none_is_wanted(
    peer: Peer201, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(send_tokens=False), QUICK_PACE)
    secret = {"vendorId": "V", "card": CARD["idToken"]}
    readings = meter(1500)
    readings[0]["customData"] = secret
    await peer.event("Started", idToken=CARD, meterValue=readings, customData=secret)
    await backend.until_told("TransactionEvent")
    assert tokens(backend) == [NEUTRAL]
    assert CARD["idToken"] not in str(backend.told)


async def test_variables_are_not_told_or_set(
    peer: Peer201, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("BootNotification")
    asked = len(peer.asked)
    variable = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    frame = await backend.ask("GetVariables", {"getVariableData": [variable]})
    assert frame[2] == {"getVariableResult": [variable | {"attributeStatus": "Rejected"}]}
    frame = await backend.ask(
        "SetVariables", {"setVariableData": [variable | {"attributeValue": "x"}]}
    )
    assert frame[2] == {"setVariableResult": [variable | {"attributeStatus": "Rejected"}]}
    assert (await backend.ask("GetLocalListVersion"))[2] == {"versionNumber": 0}
    await peer.plug("Available")
    trigger = {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}
    assert (await backend.ask("TriggerMessage", trigger))[2] == {"status": "Accepted"}
    await backend.until_told("StatusNotification", 2)
    assert len(peer.asked) == asked


async def test_a_station_may_come_in_another_version(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as old:
        await old.ready()
        await backend.until_told("BootNotification")
        await backend.stop()
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
        await old.call("StatusNotification", status)
        await old.start()
    async with Peer201(central) as new:
        await new.ready()
        await new.plug("Available")
        await new.event("Started")
        backend.told.clear()
        await backend.start()
        await backend.until_told("TransactionEvent")
        assert backend.actions == ["BootNotification", "StatusNotification", "TransactionEvent"]
        assert "chargingStation" in backend.told[0][1]
        assert backend.told[1][1]["connectorStatus"] == "Available"


async def test_two_of_our_own_kind(peer: Peer201, station: OcppStation, now: Watch) -> None:
    employer = Books()
    other = CentralSystem(employer, now=now, timing=QUICK)
    await other.start("127.0.0.1", 0)
    seen = other.add_station("EMP")
    url = f"ws://127.0.0.1:{other.port}"
    station.forward_to(Backend().target(url=url, identity="EMP"), QUICK_PACE)
    await peer.until(lambda: seen.online)
    assert (seen.info.vendor, seen.info.protocol) == ("Acme", "ocpp2.0.1")
    await peer.event(
        "Started", idToken=CARD, meterValue=meter(1000), info={"chargingState": "Charging"}
    )
    await peer.event("Ended", meterValue=meter(2500), at=stamp())
    await peer.until(lambda: employer.ends)
    assert [start.reference for start in employer.starts] == ["T1"]
    assert employer.ends[0].meter_stop_wh == 2500
    await other.stop()
