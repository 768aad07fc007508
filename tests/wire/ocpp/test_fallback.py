"""What a station falls back to by itself: alone in force, written again when it is lost, seldom."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.forecourt.core.model.finding import Finding, Outcome
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.learned import RateUnit
from custom_components.forecourt.stations.ocpp.v201.fallback import lost
from simulator import Clock, Config201, Ocpp16Station, Ocpp201Station, StationConfig
from simulator.ocpp16.profile import Profile
from simulator.ocpp201.profiles import Installed

from .conftest import QUICK, MakeCentral
from .peer import Payload, Peer, Watch, stamp
from .v201.peer import Peer201

type Box = Ocpp16Station | Ocpp201Station
type Dial = Callable[..., Awaitable[Box]]

FAST: dict[str, Any] = {"tick_s": 0.02, "reconnect_s": 0.05, "reboot_s": 0.05, "call_timeout_s": 2}
OURS = [("TxDefaultProfile", 1)]
MAX_PROFILE = {"1.6": "ChargePointMaxProfile"}


def put(  # noqa: PLR0917 - a row of a table
    box: Box, purpose: str, number: int, level: int, current_a: int, evse: int = 0
) -> None:
    """Have a profile in the station that was there before."""
    schedule: Payload = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": current_a}],
    }
    profile: Payload = {
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
    }
    if isinstance(box, Ocpp16Station):
        profile |= {"chargingProfileId": number, "chargingSchedule": schedule}
        box.profiles.installed.append(Profile.parse(evse, profile, datetime.now(UTC)))
    else:
        if purpose == "ChargingStationMaxProfile":
            profile["chargingProfileKind"] = "Absolute"
            schedule["startSchedule"] = stamp()
        profile |= {"id": number, "chargingSchedule": [{"id": number} | schedule]}
        box.profiles.installed.append(Installed.parse(evse, profile, datetime.now(UTC)))


def installed(box: Box) -> list[tuple[str, int]]:
    """Return the purpose and the id of each profile that the station has."""
    if isinstance(box, Ocpp16Station):
        return [(one.purpose, one.profile_id) for one in box.profiles.installed]
    return [(one.purpose, one.payload["id"]) for one in box.profiles.installed]


def written(box: Box) -> int:
    """Return how often the fallback was written."""
    return sum(
        (one["purpose"], one["change"]) == ("TxDefaultProfile", "set")
        for one in box.books.flash_writes
    )


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    # The set-up waits a third of this for a report.
    return await make_central(replace(QUICK, pong_s=1), fallback_current_a=6)


@pytest.fixture
def station(central: CentralSystem) -> OcppStation:
    return central.add_station("SIM-1")


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
def version(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def dial(central: CentralSystem, station: OcppStation, version: Any) -> AsyncIterator[Dial]:
    """Return what makes a station, has it prepared, and connects it until it is set up."""
    async with AsyncExitStack() as stack:

        async def dial(prepare: Callable[[Box], None] = lambda _: None, **traits: Any) -> Box:
            url, clock = f"ws://127.0.0.1:{central.port}", Clock(speed=60)
            box: Box
            if version == "1.6":
                box = Ocpp16Station(StationConfig("SIM-1", **FAST, **traits), url, clock=clock)
            else:
                config = Config201("SIM-1", version=version, **FAST, **traits)
                box = Ocpp201Station(config, url, clock=clock)
            prepare(box)
            await stack.enter_async_context(box)
            await station.ready()
            return box

        yield dial


async def restart(box: Box, central: CentralSystem, station: OcppStation) -> None:
    """Have the station restart, and wait until it is set up again."""
    before = central._connections["SIM-1"]
    await box.crash()
    await box.wait_for(lambda _: central._connections.get("SIM-1") not in (None, before))
    await before.finished.wait()
    await station.ready()


# Profiles of somebody else


@pytest.mark.parametrize("place", [(0, 0), (5, 0), (5, 1)])
async def test_what_a_former_central_system_left_is_cleared_once(
    dial: Dial, central: CentralSystem, station: OcppStation, version: str, place: tuple[int, int]
) -> None:
    level, evse = place
    protects = MAX_PROFILE.get(version, "ChargingStationMaxProfile")

    def prepare(box: Box) -> None:
        put(box, "TxDefaultProfile", 77, level, 32, evse)
        put(box, protects, 78, 0, 16)

    box = await dial(prepare)
    # What protects the installation stays.
    assert sorted(installed(box)) == sorted([(protects, 78), *OURS])
    assert station.learned.fallback_written == 6
    put(box, "TxDefaultProfile", 79, 1, 10, evse)
    await restart(box, central, station)
    # What comes later was put there on purpose.
    assert ("TxDefaultProfile", 79) in installed(box)
    assert written(box) == 1


async def test_without_a_fallback_of_ours_theirs_stays(
    make_central: MakeCentral, version: str
) -> None:
    central = await make_central()
    station = central.add_station("SIM-1")
    url = f"ws://127.0.0.1:{central.port}"
    box: Box = Ocpp16Station(StationConfig("SIM-1", **FAST), url)
    if version != "1.6":
        box = Ocpp201Station(Config201("SIM-1", version=version, **FAST), url)  # type: ignore[arg-type]
    put(box, "TxDefaultProfile", 77, 0, 10)
    async with box:
        await station.ready()
        assert installed(box) == [("TxDefaultProfile", 77)]


async def test_nothing_is_cleared_on_a_day_on_which_ours_could_not_be_written_again(
    make_central: MakeCentral, now: Watch
) -> None:
    central = await make_central(fallback_current_a=6)
    writes = [now().isoformat()] * 2
    learned = {"fallback_written": 6, "fallback_writes": writes}
    station = central.add_station("CP1", learned=learned)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert not peer.calls("ClearChargingProfile")
        assert station.fallback_current_a == 6
    now.ahead = timedelta(days=1)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert len(peer.calls("ClearChargingProfile")) == 2
        assert station.fallback_current_a == 6
        assert len(peer.calls("SetChargingProfile")) == 1


@pytest.mark.parametrize("answer", ["NotImplemented", "InternalError", {"status": "Unknown"}])
async def test_a_station_that_clears_nothing_is_asked_once(
    make_central: MakeCentral, answer: Any
) -> None:
    central = await make_central(fallback_current_a=6)
    station = central.add_station("CP1")
    asked = []
    for _ in range(2):
        async with Peer(central, "CP1") as peer:
            peer.answers["ClearChargingProfile"] = answer
            await peer.ready()
            asked.append(
                [one["chargingProfilePurpose"] for one in peer.calls("ClearChargingProfile")]
            )
    assert asked == [["TxProfile", "TxDefaultProfile"], []]
    assert station.fallback_current_a == 6


async def test_a_station_that_crashes_on_it_is_not_asked_forever(
    make_central: MakeCentral, caplog: pytest.LogCaptureFixture
) -> None:
    central = await make_central(fallback_current_a=6)
    central.add_station("CP1")
    asked = []
    for _ in range(5):
        async with Peer(central, "CP1") as peer:
            peer.answers["ClearChargingProfile"] = lambda _: peer.ws._conn.transport.abort()  # type: ignore[union-attr]
            await peer.boot()
            connection = central._connections["CP1"]
            await peer.until(lambda: peer.closed.is_set() or peer.calls("SetChargingProfile"))
        await connection.finished.wait()
        asked.append(len(peer.calls("ClearChargingProfile")))
    # Each of the two purposes twice.
    assert asked == [1, 1, 1, 1, 0]


# A fallback that is lost


async def test_a_fallback_that_a_restart_lost_is_written_again(
    dial: Dial, central: CentralSystem, station: OcppStation, version: str, now: Watch
) -> None:
    box = await dial()
    assert installed(box) == OURS
    await restart(box, central, station)
    assert written(box) == 1
    box.profiles.installed.clear()
    if version == "1.6":
        # Nobody can ask for it, so it is written once a day.
        now.ahead = timedelta(hours=25)
    await restart(box, central, station)
    assert installed(box) == OURS
    assert written(box) == 2
    assert station.fallback_current_a == 6


async def test_a_station_that_keeps_nothing_is_not_worn_out(
    dial: Dial, central: CentralSystem, station: OcppStation, version: str, now: Watch
) -> None:
    box = await dial()
    per_day = []
    for _ in range(2):
        before = written(box)
        now.ahead += timedelta(hours=25)
        for _ in range(4):
            box.profiles.installed.clear()
            await restart(box, central, station)
        per_day.append(written(box) - before)
    # OCPP 1.6 leaves one write of the day for a fallback that changes.
    assert per_day == ([1, 1] if version == "1.6" else [2, 2])
    # What a station is known not to have is not counted on.
    assert station.fallback_current_a == (6 if version == "1.6" else None)


async def test_no_outlet_is_written_that_the_station_does_not_have(
    make_central: MakeCentral,
) -> None:
    central = await make_central(fallback_current_a=6)
    station = central.add_station("CP1")
    # By mistake.
    station.expect_evses(4)

    def take(payload: Payload) -> Payload:
        return {"status": "Rejected" if payload["connectorId"] == 0 else "Accepted"}

    async with Peer(central, "CP1") as peer:
        peer.answers["SetChargingProfile"] = take
        peer.settings["NumberOfConnectors"] = "2"
        await peer.ready()
        await peer.until(lambda: station.fallback_current_a == 6)
    written = {call["connectorId"] for call in peer.calls("SetChargingProfile")}
    assert written == {0, 1, 2}
    # One beyond its word that it speaks of is there.
    assert station.meet_evse(4)
    assert station._outlets() == [1, 2, 4]


async def test_a_lost_connection_is_no_restart(make_central: MakeCentral, now: Watch) -> None:
    central = await make_central(fallback_current_a=6)
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert len(peer.calls("SetChargingProfile")) == 1
    now.ahead = timedelta(days=3)
    async with Peer(central, "CP1") as peer:
        await peer.call("Heartbeat")
        await peer.until(lambda: peer.calls("GetConfiguration"))
        await peer.set_up()
        assert not peer.calls("SetChargingProfile")


# The probe of a test


def probed(findings: list[Finding]) -> tuple[Outcome, str]:
    return next((one.outcome, one.detail) for one in findings if one.probe == "fallback")


async def test_a_fallback_that_is_there_passes(dial: Dial, station: OcppStation) -> None:
    await dial()
    assert probed(await station.test()) == (Outcome.OK, "6 A")


@pytest.mark.parametrize("version", ["2.0.1", "2.1"], indirect=True)
@pytest.mark.parametrize(
    ("has", "said"),
    [
        ([], "it is not there"),
        ([(1, 0, 16, 0)], "16 instead of 6 A"),
        ([(1, 0, 6, 0), (9, 3, 32, 1)], "profile 9 of somebody else may go before it"),
        ([(2, 0, 6, 1)], ""),
    ],
)
async def test_what_a_station_of_2_says_counts(
    dial: Dial, station: OcppStation, has: list[tuple[int, int, int, int]], said: str
) -> None:
    box = await dial()
    box.profiles.installed.clear()
    for number, level, current_a, evse in has:
        put(box, "TxDefaultProfile", number, level, current_a, evse)
    expected = (Outcome.FAILED, said) if said else (Outcome.OK, "6 A")
    assert probed(await station.test()) == expected


@pytest.mark.parametrize("version", ["1.6"], indirect=True)
@pytest.mark.parametrize("composite", ["none", "wrong"])
async def test_what_a_station_of_16_cannot_say_is_skipped(
    dial: Dial, station: OcppStation, composite: str
) -> None:
    await dial(composite=composite)
    assert probed(await station.test()) == (Outcome.SKIPPED, "OCPP 1.6 cannot ask for it")


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
@pytest.mark.parametrize("answer", ["NotSupported", "InternalError", {"status": "Accepted"}])
async def test_a_station_of_2_that_does_not_say_is_treated_as_one_of_16(
    make_central: MakeCentral, now: Watch, protocol: str, answer: Any
) -> None:
    central = await make_central(replace(QUICK, call_s=0.5), fallback_current_a=6)
    station = central.add_station("CP1")
    writes = []
    for hours in (0, 1, 26):
        now.ahead = timedelta(hours=hours)
        async with Peer201(central, protocol=protocol) as peer:
            peer.answers["GetChargingProfiles"] = answer
            await peer.boot()
            await peer.set_up()
            writes.append(len(peer.calls("SetChargingProfile")))
            findings = await station.test() if hours == 26 else []
    assert probed(findings)[0] is not Outcome.OK
    assert writes == [1, 0, 1]
    assert station.fallback_current_a == 6


@pytest.mark.parametrize(
    ("unit", "has", "is_lost"),
    [
        ("A", ("A", 6), False),
        ("A", ("A", 16), True),
        ("A", ("A", None), False),
        # It reckons with other voltages or phases than we do.
        ("A", ("W", 4140), False),
        ("W", ("W", 1380), False),
        ("W", ("W", 1382.5), False),
        ("W", ("W", 6), True),
    ],
)
def test_a_fallback_is_compared_in_the_unit_that_it_was_written_in(
    unit: str, has: tuple[str, float | None], *, is_lost: bool
) -> None:
    period: Payload = {"startPeriod": 0} | ({} if has[1] is None else {"limit": has[1]})
    schedule = {"chargingRateUnit": has[0], "chargingSchedulePeriod": [period]}
    assert bool(lost([{"id": 1, "chargingSchedule": [schedule]}], 6, RateUnit(unit), 1)) is is_lost
