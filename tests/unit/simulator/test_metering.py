"""Meter readings, statuses and ends of transactions, as they are on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simulator import CARS, Car, ManualClock, Ocpp16Station
from simulator.ocpp16.metering import MEASURANDS

from .conftest import Dial
from .server import Server

REGISTER = "Energy.Active.Import.Register"


def values(payload: dict[str, Any], measurand: str = REGISTER) -> list[str]:
    samples = payload["meterValue"][0]["sampledValue"]
    return [one["value"] for one in samples if one["measurand"] == measurand]


def contexts(server: Server) -> list[str]:
    return [
        one["meterValue"][0]["sampledValue"][0]["context"] for one in server.calls("MeterValues")
    ]


async def charging(
    server: Server, dial: Dial, car: Car | str = "family", **options: Any
) -> tuple[Ocpp16Station, ManualClock]:
    """Return a station whose car has been charging for a minute of plant time."""
    clock = ManualClock(speed=60)
    server.now = clock.utc
    station: Ocpp16Station = await dial(clock=clock, tick_s=0.5, **options)
    await station.plug(1, car)
    await station.tap("04AA")
    await clock.advance(1)
    await station.wait_for(lambda s: not len(s.outbox))
    return station, clock


async def test_every_measurand(server: Server, dial: Dial) -> None:
    settings = {
        "MeterValuesSampledData": ",".join(sorted(MEASURANDS)),
        "MeterValueSampleInterval": "10",
    }
    station, clock = await charging(server, dial, "two-phase", settings=settings)
    await clock.advance(10)
    await station.wait_for(lambda _: len(server.calls("MeterValues")) == 2)
    reading = server.calls("MeterValues")[1]
    assert values(reading) == [str(station.books.readings[1].register_wh)]
    assert values(reading, "Power.Active.Import") == ["7283.2"]
    assert values(reading, "Current.Import") == ["16.00", "16.00", "0.00"]
    assert values(reading, "Current.Offered") == ["16.0"]
    assert values(reading, "Voltage") == ["227.6", "227.6", "230.0"]
    assert values(reading, "SoC") == ["33"]
    assert values(reading, "Temperature") == ["27.3"]
    samples = reading["meterValue"][0]["sampledValue"]
    shape = [(one["measurand"], one.get("phase"), one["unit"], one["location"]) for one in samples]
    assert ("Voltage", "L2-N", "V", "Outlet") in shape
    assert ("Current.Import", "L3", "A", "Outlet") in shape
    assert ("SoC", None, "Percent", "EV") in shape


async def test_samples_come_at_their_interval_in_wall_time(server: Server, dial: Dial) -> None:
    station, clock = await charging(server, dial, settings={"MeterValueSampleInterval": "10"})
    await clock.advance(29.5)
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    assert contexts(server) == [
        *("Transaction.Begin", "Sample.Periodic", "Sample.Periodic", "Sample.Periodic"),
        "Transaction.End",
    ]
    registers = [int(values(one)[0]) for one in server.calls("MeterValues")]
    assert registers == sorted(registers)
    assert [one.register_wh for one in station.books.readings] == registers


async def test_the_interval_may_change_at_once(server: Server, dial: Dial) -> None:
    station, clock = await charging(server, dial, settings={"MeterValueSampleInterval": "3600"})
    change = {"key": "MeterValueSampleInterval", "value": "5"}
    await server.call("ChangeConfiguration", change)
    await clock.advance(6)
    await station.wait_for(lambda _: contexts(server).count("Sample.Periodic") == 2)
    change["value"] = "0"
    await server.call("ChangeConfiguration", change)
    await clock.advance(60)
    assert contexts(server).count("Sample.Periodic") == 2


async def test_no_readings_around_the_samples(server: Server, dial: Dial) -> None:
    station, _ = await charging(server, dial, begin_end_readings=False)
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    assert server.calls("MeterValues") == []


async def test_transaction_data(server: Server, dial: Dial) -> None:
    settings = {
        "StopTxnSampledData": REGISTER,
        "StopTxnAlignedData": REGISTER,
        "ClockAlignedDataInterval": "15",
        "MeterValueSampleInterval": "10",
    }
    station, clock = await charging(server, dial, settings=settings)
    await clock.advance(19)
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    [stop] = server.calls("StopTransaction")
    samples = [one["sampledValue"][0] for one in stop["transactionData"]]
    assert [one["context"] for one in samples] == [
        *("Transaction.Begin", "Sample.Periodic", "Sample.Clock", "Sample.Periodic"),
        "Transaction.End",
    ]
    assert int(samples[-1]["value"]) == stop["meterStop"]


async def test_transaction_data_does_not_grow_for_ever(
    server: Server, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.ocpp16.readings._MAX_TRANSACTION_DATA", 3)
    settings = {"StopTxnSampledData": REGISTER, "MeterValueSampleInterval": "1"}
    station, clock = await charging(server, dial, settings=settings)
    await clock.advance(10)
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    assert len(server.calls("StopTransaction")[0]["transactionData"]) == 4


async def test_clock_aligned_readings_need_no_transaction(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    server.now = clock.utc
    station = await dial(
        clock=clock, connectors=2, tick_s=1.0, settings={"ClockAlignedDataInterval": "300"}
    )
    await clock.advance(595)
    assert contexts(server) == ["Sample.Clock"] * 2
    await clock.advance(10)
    await station.wait_for(lambda _: contexts(server) == ["Sample.Clock"] * 4)
    assert server.calls("MeterValues")[2]["meterValue"][0]["timestamp"].startswith(
        "2026-03-01T00:10:00"
    )
    assert "transactionId" not in server.calls("MeterValues")[0]


async def test_soc_without_a_car_is_not_sent(server: Server, dial: Dial) -> None:
    await dial(settings={"MeterValuesSampledData": "SoC"})
    await server.call("TriggerMessage", {"requestedMessage": "MeterValues"})
    assert (await server.call("ClearCache", {}))["status"] == "Accepted"
    assert server.calls("MeterValues") == []


async def test_a_full_car_suspends(server: Server, dial: Dial) -> None:
    car = Car(CARS["hybrid"], soc=0.79, target_soc=0.8)
    station, clock = await charging(server, dial, car)
    await clock.advance(10)
    await station.wait_for(lambda _: server.status() == "SuspendedEV")
    assert station.connector(1).transaction is not None
    assert "Charging" in server.statuses()


@pytest.mark.parametrize("tethered", [False, True])
async def test_unplugging_ends_the_transaction(server: Server, dial: Dial, tethered: bool) -> None:
    station, _ = await charging(server, dial, tethered=tethered)
    await station.unplug()
    await station.wait_for(lambda _: server.status() == "Available")
    [stop] = server.calls("StopTransaction")
    assert stop["reason"] == "EVDisconnected"
    assert ("Finishing" in server.statuses()) is not tethered
    if not tethered:
        finishing = server.calls("StatusNotification")[-2]
        assert finishing["info"] == "EV side disconnected"


async def test_or_it_only_suspends_it(server: Server, dial: Dial) -> None:
    settings = {"StopTransactionOnEVSideDisconnect": "false"}
    station, clock = await charging(server, dial, settings=settings)
    car = await station.unplug()
    await station.wait_for(lambda _: server.status() == "SuspendedEV")
    assert server.calls("StatusNotification")[-1]["info"] == "EV side disconnected"
    await station.plug(1, car)
    await clock.advance(1)
    await station.wait_for(lambda _: server.status() == "Charging")
    await station.unplug()
    await station.tap("04AA")
    await station.wait_for(lambda _: server.status() == "Available")
    assert len(server.calls("StartTransaction")) == 1


async def test_a_status_must_last_before_it_is_told(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    station = await dial(clock=clock, tick_s=1.0, settings={"MinimumStatusDuration": "5"})
    await station.wait_for(lambda _: server.status() == "Available")
    await station.plug(1, "family")
    await clock.advance(3)
    await station.unplug()
    await clock.advance(10)
    assert server.statuses() == ["Available"]
    await station.plug(1, "family")
    await clock.advance(7)
    await station.wait_for(lambda _: server.status() == "Preparing")


async def test_a_car_that_slept_through_the_wait_is_woken_by_the_start(
    server: Server, dial: Dial
) -> None:
    clock = ManualClock(speed=600)
    station = await dial(clock=clock, tick_s=0.5)
    await station.plug(1, "sleeper")
    await clock.advance(2)
    assert station.state()["connectors"][0]["asleep"]
    await station.tap("04AA")
    await clock.advance(1)
    assert station.connector(1).status == "Charging"


async def test_or_it_sleeps_on_until_it_is_woken(server: Server, dial: Dial) -> None:
    clock = ManualClock(speed=600)
    station = await dial(clock=clock, tick_s=0.5, pilot_toggle_on_start=False)
    await station.plug(1, CARS["sleeper"])
    await clock.advance(2)
    await station.tap("04AA")
    await clock.advance(2)
    assert station.connector(1).status == "SuspendedEV"
    await station.wake(1)
    await clock.advance(1)
    assert station.connector(1).status == "Charging"


async def test_without_a_battery_the_first_time_stamps_are_of_1970(
    server: Server, dial: Dial
) -> None:
    server.answers["BootNotification"] = lambda _: {
        "status": "Pending",
        "currentTime": "2026-03-01T00:00:00Z",
        "interval": 3600,
    }
    station = await dial(ready=False, battery_backed_clock=False, autostart_tag="HOME")
    await station.plug(1, "family")
    assert station.books.transactions[0].started.startswith("1970-01-01T00:00:0")
    await station.wait_for(lambda s: s.time.now().year == 2026)
    assert station.time.now() < datetime(2026, 3, 1, 1, tzinfo=UTC)
