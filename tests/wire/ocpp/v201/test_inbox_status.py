"""What an outlet of OCPP 2.x is doing, put together from connectors and transactions."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.stations.ocpp import OcppStation
from custom_components.forecourt.stations.ocpp.v201.device_model import MAX_CONNECTORS
from custom_components.forecourt.stations.ocpp.v201.outlets import PROBLEMS_KEPT, Outlet
from custom_components.forecourt.stations.ocpp.v201.told import Memory
from tests.wire.ocpp.peer import Payload

from .peer import CARD, Books, Peer201, meter

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CHARGING = {"chargingState": "Charging"}
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def doing(site: Books) -> list[EvseStatus]:
    return [status for _, status, _, _ in site.statuses]


async def test_a_charge_from_plug_to_plug(peer: Peer201, site: Books) -> None:
    await peer.plug("Available")
    await peer.plug("Occupied")
    await peer.event("Started", info={"chargingState": "EVConnected"}, meterValue=meter(1000))
    await peer.event("Updated", triggerReason="Authorized", idToken=CARD)
    for state in ("SuspendedEVSE", "Charging", "Charging", "SuspendedEV", "EVConnected"):
        await peer.event("Updated", info={"chargingState": state})
    await peer.event("Ended", info={"chargingState": "Idle"})
    await peer.plug("Available")
    assert doing(site) == [
        EvseStatus.AVAILABLE,
        EvseStatus.PREPARING,
        EvseStatus.SUSPENDED_EVSE,
        EvseStatus.CHARGING,
        EvseStatus.SUSPENDED_EV,
        EvseStatus.FINISHING,
        EvseStatus.AVAILABLE,
    ]
    await peer.plug("Occupied")
    assert doing(site)[-1] is EvseStatus.PREPARING, "another car"


async def test_who_is_let_in_first_and_plugs_in_then(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.plug("Available")
    await peer.event("Started", idToken=CARD, info={"chargingState": "Idle"}, meterValue=meter(1))
    await peer.plug("Available")
    assert station.transactions == {}
    await peer.plug("Occupied")
    await peer.event("Updated", info={"chargingState": "EVConnected"})
    assert station.transactions == {1: 1}
    await peer.event("Updated", info={"chargingState": "Charging"})
    assert doing(site) == [
        EvseStatus.AVAILABLE,
        EvseStatus.AVAILABLE,
        EvseStatus.PREPARING,
        EvseStatus.CHARGING,
    ]


async def test_an_end_after_the_plug_is_out(peer: Peer201, site: Books) -> None:
    await peer.plug("Occupied")
    await peer.event(
        "Started", idToken=CARD, info={"chargingState": "Charging"}, meterValue=meter(1)
    )
    await peer.plug("Available")
    await peer.event("Ended", info={"stoppedReason": "EVDisconnected"})
    await peer.plug("Occupied")
    assert doing(site)[-3:] == [EvseStatus.CHARGING, EvseStatus.AVAILABLE, EvseStatus.PREPARING]


async def test_what_is_told_late_is_no_news(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.plug("Occupied")
    await peer.event(
        "Started", idToken=CARD, info={"chargingState": "Charging"}, meterValue=meter(1)
    )
    await peer.event("Updated", "T0", at=LONG_AGO, info={"chargingState": "SuspendedEV"})
    await peer.event("Ended", "T0", at=LONG_AGO)
    await peer.plug("Available", at=LONG_AGO)
    assert doing(site) == [EvseStatus.PREPARING, EvseStatus.CHARGING, EvseStatus.CHARGING]
    assert station.transactions == {1: 1}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("Occupied", "Unavailable"), EvseStatus.PREPARING),
        (("Faulted", "Occupied"), EvseStatus.PREPARING),
        (("Available", "Faulted"), EvseStatus.AVAILABLE),
        (("Unavailable", "Available"), EvseStatus.AVAILABLE),
        (("Reserved", "Available"), EvseStatus.RESERVED),
        (("Unavailable", "Faulted"), EvseStatus.FAULTED),
        (("Unavailable", "Unavailable"), EvseStatus.UNAVAILABLE),
    ],
)
async def test_the_most_telling_connector_counts(
    peer: Peer201, site: Books, words: tuple[str, str], status: EvseStatus
) -> None:
    for number, word in enumerate(words, 1):
        await peer.plug(word, connector=number)
    assert doing(site)[-1] is status


async def test_a_fault_goes_before_a_charge(peer: Peer201, site: Books) -> None:
    await peer.event(
        "Started", idToken=CARD, info={"chargingState": "Charging"}, meterValue=meter(1)
    )
    await peer.plug("Faulted")
    assert doing(site) == [EvseStatus.CHARGING, EvseStatus.FAULTED]


async def test_a_connector_of_a_higher_outlet(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.plug("Available", evse=2)
    assert station.info.evses == 2
    assert site.statuses[0][0] == EvseId("CP1", 2)
    # Of two it must be said which.
    status = {"timestamp": "x", "connectorStatus": "Available", "evseId": 0, "connectorId": 0}
    assert (await peer.call("StatusNotification", status))[3] == "evseId"


async def test_the_only_outlet_needs_no_number(peer: Peer201, site: Books) -> None:
    await peer.plug("Available", evse=0)
    assert site.statuses[0][0] == EvseId("CP1", 1)


async def test_no_outlet_has_more_plugs_than_can_be(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    for connector in range(-1, 300):
        frame = await peer.call(
            "StatusNotification",
            {
                "timestamp": datetime.now(UTC).isoformat(),
                "connectorStatus": "Occupied",
                "evseId": 1,
                "connectorId": connector,
            },
        )
        if 0 <= connector <= MAX_CONNECTORS:
            assert frame[0] == 3
        else:
            assert frame[2:4] == ["PropertyConstraintViolation", "connectorId"]
    outlet = station.kept(Memory).outlet(1)
    assert list(outlet.connectors) == list(range(MAX_CONNECTORS + 1))


def changed(word: str, evse: Payload | None, variable: str = "AvailabilityState") -> Payload:
    component: Payload = {"name": "Connector"}
    if evse is not None:
        component["evse"] = evse
    event = {
        "eventId": 1,
        "timestamp": datetime.now(UTC).isoformat(),
        "trigger": "Delta",
        "actualValue": word,
        "eventNotificationType": "HardWiredNotification",
        "component": component,
        "variable": {"name": variable},
    }
    return {"generatedAt": "x", "seqNo": 0, "eventData": [event]}


async def test_a_status_may_come_as_an_event(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.told("NotifyEvent", **changed("Occupied", {"id": 1, "connectorId": 1}))
    await peer.told("NotifyEvent", **changed("Available", {"id": 2}))
    assert doing(site) == [EvseStatus.PREPARING, EvseStatus.AVAILABLE]
    assert station.info.evses == 2
    assert not site.events
    for told in (
        changed("Melting", {"id": 1}),
        changed("Available", None),
        changed("Available", {"id": 99}),
        changed("Available", {"id": 1, "connectorId": MAX_CONNECTORS + 1}),
        changed("Available", {"id": 1, "connectorId": -1}),
        changed("Available", {"id": 1}, "Enabled"),
    ):
        await peer.told("NotifyEvent", **told)
    assert len(site.events) == 6
    assert len(site.statuses) == 2


# The outlet alone


def test_nothing_is_known_at_first() -> None:
    outlet = Outlet()
    assert outlet.status is None
    assert outlet.error is None
    assert outlet.register_wh is None


def test_what_was_charging_has_finished_until_it_is_unplugged() -> None:
    outlet = Outlet()
    outlet.plug(1, "Occupied", NOW, live=True)
    outlet.charge("T1", "Charging", NOW)
    seen = [outlet.status]
    outlet.end("T2", NOW)
    seen.append(outlet.status)
    outlet.end("T1", NOW)
    seen.append(outlet.status)
    outlet.charge("T3", None, NOW)
    seen.append(outlet.status)
    assert seen == [
        EvseStatus.CHARGING,
        EvseStatus.CHARGING,
        EvseStatus.FINISHING,
        EvseStatus.PREPARING,
    ]


def test_energy_tells_what_the_station_does_not() -> None:
    outlet = Outlet()
    outlet.charge("T1", None, NOW)
    outlet.draw()
    seen = [outlet.status]
    outlet.charge("T1", "SuspendedEV", NOW)
    outlet.draw()
    assert [*seen, outlet.status] == [EvseStatus.CHARGING, EvseStatus.SUSPENDED_EV]


def test_what_is_older_is_no_news() -> None:
    outlet = Outlet()
    outlet.charge("T1", "Charging", NOW)
    outlet.charge("T1", "SuspendedEV", NOW - timedelta(seconds=1))
    outlet.plug(1, "Available", NOW - timedelta(seconds=1), live=True)
    assert outlet.status is EvseStatus.CHARGING


def test_of_many_problems_the_oldest_are_forgotten() -> None:
    outlet = Outlet()
    for number in range(PROBLEMS_KEPT + 1):
        outlet.report_problem(f"C{number}", f"P{number}")
    assert outlet.error == "P1"
    outlet.report_problem("C1", None)
    assert outlet.error == "P2"
