"""A station is put to a test: one that is right passes, one with a fault shows exactly that."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from custom_components.forecourt.core.model.finding import Finding, Outcome
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.stations.base import CanTest, Failure, StationError, supports
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.selftest import SelfTest
from simulator import Clock, Ocpp16Station, StationConfig
from simulator.ocpp16.config import TRIGGERS

from .conftest import MakeCentral
from .peer import Peer, Watch
from .test_simulator import PATIENT, until

CHARGING, FREE = EvseId("SIM-1", 1), EvseId("SIM-1", 2)
ALL = {
    "settings",
    "measurands",
    "status",
    "clock",
    "meter",
    "fallback",
    "limit_read_back",
    "limit_followed",
    "local_list",
    "reservation",
    "unlock",
}
SETTINGS = {"MeterValueSampleInterval": "1", "MeterValuesSampledData": "SoC"}


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central(PATIENT, sample_interval_s=1, fallback_current_a=6)


def outcomes(findings: list[Finding], *wanted: Outcome) -> dict[str, str]:
    return {one.probe: one.detail for one in findings if one.outcome in wanted}


async def examine(central: CentralSystem, now: Watch, **traits: Any) -> list[Finding]:
    """Test a station with two outlets: at one a car charges under a limit, the other is free."""
    station = central.add_station("SIM-1", evses=2)
    config = StationConfig(
        "SIM-1",
        connectors=2,
        settings=SETTINGS | traits.pop("settings", {}),
        tick_s=0.02,
        call_timeout_s=2.0,
        **traits,
    )
    async with Ocpp16Station(config, f"ws://127.0.0.1:{central.port}", clock=Clock(120)) as box:
        await until(lambda: station.learned.fallback_written)
        await box.plug(1, "family", soc=0.1)
        assert await box.tap("04AABBCC", 1) == "started"
        await until(lambda: station.transactions)
        await until(lambda: station.registers)
        ordered = Setpoint(
            evse=CHARGING,
            current_a=8,
            valid_until=now() + timedelta(seconds=300),
            reason=LimitReason.MAIN_FUSE,
            since=now() - timedelta(minutes=1),
        )
        await station.apply(ordered)
        if "max_measurands" not in traits:
            # The car has followed, and the meter told so.
            later = now() + timedelta(seconds=0.5)
            await until(lambda: 1 in station.readings and station.readings[1].at > later)
        assert supports(station, CanTest)
        return await station.test()


async def test_a_station_that_is_right_passes(central: CentralSystem, now: Watch) -> None:
    findings = await examine(central, now)
    assert {one.probe for one in findings} == ALL
    assert outcomes(findings, Outcome.OK).keys() == ALL


@pytest.mark.parametrize(
    ("traits", "probe", "said"),
    [
        ({"ignores_limits": True}, "limit_followed", "outlet 1: 8.0 A too much"),
        ({"composite": "wrong"}, "limit_read_back", "outlet 1: 16 instead of 8 A"),
        (
            {
                "forgets_settings": ("ClockAlignedDataInterval",),
                "settings": {"ClockAlignedDataInterval": "900"},
            },
            "settings",
            "ClockAlignedDataInterval is 900, not 0",
        ),
        ({"unlock_works": False}, "unlock", "refused: UnlockFailed"),
        ({"max_measurands": 1}, "measurands", "Energy.Active.Import.Register"),
    ],
)
async def test_one_fault_is_the_only_finding(
    central: CentralSystem, now: Watch, traits: dict[str, Any], probe: str, said: str
) -> None:
    findings = await examine(central, now, **traits)
    assert outcomes(findings, Outcome.FAILED) == {probe: said}
    assert not outcomes(findings, Outcome.NOT_SUPPORTED)


@pytest.mark.parametrize(
    ("traits", "probes"),
    [
        ({"composite": "none"}, {"limit_read_back"}),
        ({"tethered": True}, {"unlock"}),
        (
            {"triggers": tuple(one for one in TRIGGERS if one != "MeterValues")},
            {"meter"},
        ),
    ],
)
async def test_what_it_does_not_know_it_lacks(
    central: CentralSystem, now: Watch, traits: dict[str, Any], probes: set[str]
) -> None:
    findings = await examine(central, now, **traits)
    assert outcomes(findings, Outcome.NOT_SUPPORTED).keys() == probes
    assert not outcomes(findings, Outcome.FAILED)


async def test_what_cannot_be_tried_is_skipped(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        peer.settings["SupportedFeatureProfiles"] = "Core"
        await peer.ready()
        findings = await station.test()
    skipped = outcomes(findings, Outcome.SKIPPED)
    assert skipped.keys() == ALL - {"settings", "measurands"}
    assert skipped["fallback"] == "OCPP 1.6 cannot ask for it"
    assert skipped["unlock"] == "no outlet is known to be free"
    assert skipped["limit_followed"] == "no car charges under a limit"


@pytest.mark.parametrize(
    ("stamp", "outcome"),
    [
        ("2020-01-01T00:00:00Z", Outcome.FAILED),
        ("yesterday", Outcome.FAILED),
        ("2026-01-01T00:00:00", Outcome.FAILED),
        (None, Outcome.SKIPPED),
    ],
)
async def test_a_clock_that_is_wrong(
    central: CentralSystem, station: OcppStation, stamp: str | None, outcome: Outcome
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        told = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}
        told |= {"timestamp": stamp} if stamp else {}
        sent: list[asyncio.Task[Any]] = []

        def tell(payload: Any) -> Any:
            if payload["requestedMessage"] == "StatusNotification":
                sent.append(asyncio.create_task(peer.call("StatusNotification", told)))
            return {"status": "Accepted"}

        peer.answers["TriggerMessage"] = tell
        central._connections["CP1"]._talk.line._questions._heard_s = 0.1  # type: ignore[union-attr]
        findings = {one.probe: one for one in await station.test()}
        await asyncio.gather(*sent)
    assert findings["status"].outcome is Outcome.OK
    assert findings["clock"].outcome is outcome
    assert findings["unlock"].outcome is Outcome.SKIPPED


async def test_a_station_that_keeps_silent_when_asked(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        questions = central._connections["CP1"]._talk.line._questions  # type: ignore[union-attr]
        questions._heard_s = 0.05
        failed = outcomes(await station.test(), Outcome.FAILED)
    assert failed["status"] == "outlet 1: nothing came"
    assert failed["meter"] == "nothing came"


async def test_a_station_that_goes_away_is_not_tested_further(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["GetConfiguration"] = lambda _: peer.ws._conn.transport.abort()  # type: ignore[union-attr]
        with pytest.raises(StationError) as caught:
            await station.test()
    assert caught.value.failure is Failure.OFFLINE
    with pytest.raises(StationError):
        await station.test()


def test_the_probes_have_the_names_that_are_documented() -> None:
    assert all(callable(getattr(SelfTest, name)) for name in ALL)


# Raw calls


async def test_any_call_can_be_made(central: CentralSystem, station: OcppStation) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.answers["GetDiagnostics"] = {"fileName": "log.zip"}
        answer = await station.call("GetDiagnostics", {"location": "ftp://example.org"})
        assert answer == {"fileName": "log.zip"}
        for action, payload, detail in (
            ("BootNotification", {}, "no call of a central system"),
            ("../../etc", {}, "no call of a central system"),
            ("GetDiagnostics", {}, "ProtocolError: location"),
        ):
            with pytest.raises(StationError) as caught:
                await station.call(action, payload)
            assert caught.value.detail == detail
        peer.answers["GetDiagnostics"] = "InternalError"
        with pytest.raises(StationError) as caught:
            await station.call("GetDiagnostics", {"location": "x"})
        assert "InternalError" in caught.value.detail
