"""A charge from plug to plug, over the wire."""

from __future__ import annotations

from .conftest import Dial
from .server import Server


async def test_plug_tap_charge_tap_unplug(server: Server, dial: Dial) -> None:
    station = await dial(speed=600, settings={"MeterValueSampleInterval": "1"})

    await station.plug(1, "family", soc=0.2)
    assert await station.tap("04AABBCC") == "started"
    await station.wait_for(lambda s: s.connector(1).status == "Charging")
    await station.wait_for(lambda s: s.connector(1).evse.delivered_wh > 100)
    assert await station.tap("04aabbcc") == "stopped"
    await station.wait_for(lambda s: not len(s.outbox))
    await station.unplug()
    await station.wait_for(lambda _: server.status() == "Available")

    [start], [stop] = server.calls("StartTransaction"), server.calls("StopTransaction")
    assert start["meterStart"] == 250_000
    assert stop["transactionId"] == 7001
    assert stop["reason"] == "Local"
    [plug_in] = station.books.plug_ins
    assert abs(stop["meterStop"] - start["meterStart"] - plug_in.energy_wh) < 1
    assert server.statuses() == [
        "Available",
        "Preparing",
        "SuspendedEV",
        "Charging",
        "Finishing",
        "Available",
    ]
    assert station.books.violations == []
