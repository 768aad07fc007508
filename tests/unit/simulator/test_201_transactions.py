"""Transactions of OCPP 2.0.1: when they begin and end, and what is told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simulator import Car, ManualClock, Ocpp201Station

from .csms import Csms
from .station201 import CARD, EVERY_SECOND, Dial, charging, csms, dial, profile, running_id, token

__all__ = ["csms", "dial"]

NEVER = {"SampledDataCtrlr.TxUpdatedInterval": "0"}


def registers(event: dict[str, Any]) -> list[float]:
    return [
        sample["value"]
        for value in event.get("meterValue", [])
        for sample in value["sampledValue"]
        if sample["measurand"] == "Energy.Active.Import.Register"
    ]


async def test_a_whole_charge(csms: Csms, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=0.5, variables=EVERY_SECOND)
    await station.plug(1, "family")
    assert await station.tap(CARD) == "started"
    await clock.advance(3.2)
    assert await station.tap(CARD) == "stopped"
    await station.unplug()
    await station.wait_for(lambda s: not len(s.outbox))
    await station.wait_for(lambda _: csms.connector_status() == "Available")

    assert csms.connector_statuses() == ["Available", "Occupied", "Available"]
    assert csms.story() == [
        ("Started", "Authorized"),
        ("Updated", "ChargingStateChanged"),
        *[("Updated", "MeterValuePeriodic")] * 3,
        ("Ended", "StopAuthorized"),
    ]
    started, *updates, ended = csms.events()
    assert [one["seqNo"] for one in csms.events()] == [0, 1, 2, 3, 4, 5]
    transaction_id = started["transactionInfo"]["transactionId"]
    assert len(transaction_id) == 34
    assert int(transaction_id, 16)
    assert csms.events(transaction_id) == csms.events()
    assert started["evse"] == {"id": 1, "connectorId": 1}
    assert started["idToken"] == ended["idToken"] == token()
    assert not any("evse" in one or "idToken" in one for one in updates)
    states = [one["transactionInfo"].get("chargingState") for one in csms.events()]
    assert states == ["EVConnected", "Charging", None, None, None, "EVConnected"]
    assert updates[0]["numberOfPhasesUsed"] == 3
    assert ended["transactionInfo"]["stoppedReason"] == "Local"
    assert ended["transactionInfo"]["timeSpentCharging"] > 150
    told = [value for event in csms.events() for value in registers(event)]
    assert told == sorted(told)
    [entry], [plug_in] = station.books.transactions, station.books.plug_ins
    assert (entry.transaction_id, entry.id_tag) == (transaction_id, CARD)
    assert (entry.meter_start_wh, entry.meter_stop_wh) == (told[0], told[-1])
    assert entry.start_delivered
    assert entry.stop_delivered
    assert plug_in.energy_wh == pytest.approx(told[-1] - told[0], abs=1.5)
    assert {one.state for one in station.books.readings} == {"confirmed"}
    assert [one.reported_wh for one in station.books.readings] == told
    assert station.books.violations == []


async def test_sampled_values(csms: Csms, dial: Dial) -> None:
    measurands = "Current.Import,Current.Offered,Power.Offered,Voltage,SoC,Power.Active.Import"
    variables = {**NEVER, "SampledDataCtrlr.TxStartedMeasurands": measurands}
    await charging(dial, variables=variables, phases=1)
    samples = csms.events()[0]["meterValue"][0]["sampledValue"]
    told = [(one["measurand"], one.get("phase"), one["unitOfMeasure"]["unit"]) for one in samples]
    assert told == [
        ("Current.Import", "L1", "A"),
        ("Current.Offered", None, "A"),
        ("Power.Offered", None, "W"),
        ("Voltage", "L1-N", "V"),
        ("SoC", None, "Percent"),
        ("Power.Active.Import", None, "W"),
    ]
    assert {one["context"] for one in samples} == {"Transaction.Begin"}
    assert [one["location"] for one in samples].count("EV") == 1
    assert samples[1]["value"] == 16


async def test_values_with_a_multiplier_and_without_what_goes_without_saying(
    csms: Csms, dial: Dial
) -> None:
    await charging(dial, energy_multiplier=3, spell_defaults=False, variables=EVERY_SECOND)
    sample = csms.events()[0]["meterValue"][0]["sampledValue"]
    assert sample == [
        {
            "value": 250.0,
            "context": "Transaction.Begin",
            "unitOfMeasure": {"unit": "Wh", "multiplier": 3},
        }
    ]


async def test_begins_with_the_plug(csms: Csms, dial: Dial) -> None:
    station = await dial(
        speed=60, tx_start_point="EVConnected", tx_stop_point="EVConnected", variables=NEVER
    )
    await station.plug(1, "family")
    first = running_id(station)
    assert station.books.transactions[0].id_tag == ""
    assert await station.tap(CARD) == "started"
    await station.wait_for(lambda s: s.evse(1).charging_state == "Charging", 5)
    assert await station.tap(CARD) == "stopped"  # but the car is still there
    assert await station.tap("04BB") == "started"
    assert running_id(station) == first
    assert await station.tap("04BB") == "stopped"
    await station.unplug()
    await station.wait_for(lambda s: not len(s.outbox))
    story = [one for one in csms.story() if one[1] != "ChargingStateChanged"]
    assert story == [
        ("Started", "CablePluggedIn"),
        ("Updated", "Authorized"),
        ("Updated", "StopAuthorized"),
        ("Updated", "Authorized"),
        ("Updated", "StopAuthorized"),
        ("Ended", "EVCommunicationLost"),
    ]
    events = [one for one in csms.events() if one["triggerReason"] != "ChargingStateChanged"]
    tokens = [one.get("idToken", {}).get("idToken") for one in events]
    assert tokens == [None, CARD, CARD, "04BB", "04BB", None]
    assert events[-1]["transactionInfo"]["stoppedReason"] == "Local"
    assert station.books.transactions[0].id_tag == "04BB"


async def test_begins_with_the_card(csms: Csms, dial: Dial) -> None:
    station = await dial(tx_start_point="Authorized", connectors=2, variables=NEVER)
    assert await station.tap(CARD) == "started"
    await station.plug(1, "family", connector=2)
    await station.unplug()
    await station.wait_for(lambda s: not len(s.outbox))
    started, plugged, ended = csms.events()
    assert (started["triggerReason"], started["evse"]) == ("Authorized", {"id": 1})
    assert started["transactionInfo"]["chargingState"] == "Idle"
    assert plugged["triggerReason"] == "CablePluggedIn"
    assert plugged["evse"] == {"id": 1, "connectorId": 2}
    assert ended["triggerReason"] == "EVCommunicationLost"
    assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"
    assert csms.connector_statuses(1, 2) == ["Available", "Occupied", "Available"]
    assert csms.connector_statuses(1, 1) == ["Available"]


async def test_nobody_plugs_in(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    variables = {"TxCtrlr.EVConnectionTimeOut": "20"}
    station = await dial(
        clock=clock, tick_s=1.0, evses=2, tx_start_point="Authorized", variables=variables
    )
    await station.tap(CARD, 1)
    await clock.advance(22)
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.story() == [("Started", "Authorized"), ("Ended", "EVConnectTimeout")]
    assert csms.events()[1]["transactionInfo"]["stoppedReason"] == "Timeout"


async def test_begins_with_the_energy(csms: Csms, dial: Dial) -> None:
    station = await dial(
        speed=60, tx_start_point="EnergyTransfer", tx_stop_point="EnergyTransfer", variables=NEVER
    )
    await station.plug(1, "family")
    assert await station.tap(CARD) == "waiting"
    await station.wait_for(lambda s: s.evse(1).transaction)
    await station.unplug()
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.story()[0] == ("Started", "ChargingStateChanged")
    assert csms.events()[0]["transactionInfo"]["chargingState"] == "Charging"
    assert csms.story()[-1:] == [("Ended", "EVCommunicationLost")]


async def test_a_cable_pulled_may_be_put_back(csms: Csms, dial: Dial) -> None:
    variables = {**NEVER, "TxCtrlr.StopTxOnEVSideDisconnect": "false"}
    station = await charging(dial, tx_stop_point="Authorized", variables=variables)
    car = await station.unplug()
    assert station.evse(1).transaction is not None
    await station.plug(1, car)
    assert await station.tap(CARD) == "stopped"
    await station.wait_for(lambda s: not len(s.outbox))
    story = [one for one in csms.story() if one[1] != "ChargingStateChanged"]
    assert story[1:] == [
        ("Updated", "EVCommunicationLost"),
        ("Updated", "CablePluggedIn"),
        ("Ended", "StopAuthorized"),
    ]
    assert csms.events()[-1]["transactionInfo"]["stoppedReason"] == "Local"


async def test_a_full_car_and_no_current_suspend(csms: Csms, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    csms.now = clock.utc
    station: Ocpp201Station = await dial(clock=clock, tick_s=0.1, variables=NEVER)
    await station.plug(1, Car.named("family", 0.5, 0.5))
    await station.tap(CARD)
    await clock.advance(1)
    assert station.evse(1).charging_state == "SuspendedEV"
    station.evse(1).set_error("GroundFailure")
    await clock.advance(1)
    assert station.evse(1).charging_state == "SuspendedEVSE"
    assert station.evse(1).status == "Faulted"
    await station.wait_for(lambda _: csms.calls("NotifyEvent"))
    event = csms.calls("NotifyEvent")[0]["eventData"][0]
    assert (event["techCode"], event["actualValue"]) == ("GroundFailure", "true")


@pytest.mark.parametrize("stops", ["true", "false"])
async def test_a_token_that_the_server_refuses_afterwards(
    csms: Csms, dial: Dial, stops: str
) -> None:
    csms.answers["TransactionEvent"] = lambda one: (
        {"idTokenInfo": {"status": "Blocked"}} if "idToken" in one else {}
    )
    station = await dial(variables={**NEVER, "TxCtrlr.StopTxOnInvalidId": stops})
    await station.plug(1, "family")
    await station.tap(CARD)
    await station.wait_for(lambda s: s.books.refused and not len(s.outbox))
    assert station.books.transactions[0].start_status == "Blocked"
    if stops == "true":
        await station.wait_for(lambda _: csms.story()[-1:] == [("Ended", "Deauthorized")])
        assert csms.events()[-1]["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    else:
        assert station.evse(1).charging_state == "SuspendedEVSE"
        assert station.evse(1).evse.limit_a == 0


async def test_without_authorisation_whoever_plugs_in_charges(csms: Csms, dial: Dial) -> None:
    station = await dial(auth_enabled=False, variables=NEVER)
    await station.plug(1, "family")
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.story()[0] == ("Started", "CablePluggedIn")
    assert csms.events()[0]["idToken"] == {"idToken": "", "type": "NoAuthorization"}
    assert csms.calls("Authorize") == []


async def test_a_token_of_the_station_itself(csms: Csms, dial: Dial) -> None:
    station = await dial(autostart_token="FREE", tx_start_point="EVConnected", variables=NEVER)
    await station.plug(1, "family")
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.story()[:2] == [("Started", "CablePluggedIn"), ("Updated", "Authorized")]
    assert csms.events()[1]["idToken"] == {"idToken": "FREE", "type": "Central"}


async def test_readings_for_the_end_and_in_line_with_the_clock(csms: Csms, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    csms.now = clock.utc
    variables = {
        **NEVER,
        "SampledDataCtrlr.TxEndedInterval": "5",
        "AlignedDataCtrlr.Interval": "10",
    }
    station = await dial(clock=clock, tick_s=1.0, evses=2, variables=variables)
    await station.plug(1, "family")
    await station.tap(CARD)
    await clock.advance(21)
    await station.tap(CARD)
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.story().count(("Updated", "MeterValueClock")) == 2
    idle = csms.calls("MeterValues")
    assert [one["evseId"] for one in idle] == [2, 2]
    assert idle[0]["meterValue"][0]["timestamp"] == "2026-03-01T00:00:10.000Z"
    assert idle[0]["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"
    values = csms.events()[-1]["meterValue"]
    contexts = [one["sampledValue"][0]["context"] for one in values]
    assert contexts == [*["Sample.Periodic"] * 4, "Transaction.End"]
    assert registers(csms.events()[-1]) == sorted(registers(csms.events()[-1]))
    await station.fault("offline")
    await clock.advance(10)
    assert [one.state for one in station.books.readings if one.connector == 2][-1] == "lost"


async def test_a_running_cost(csms: Csms, dial: Dial) -> None:
    csms.answers["TransactionEvent"] = lambda _: {"totalCost": 1.25}
    station = await charging(dial)
    assert station.state()["connectors"][0]["total_cost"] == 1.25


async def test_values_that_are_switched_off(csms: Csms, dial: Dial) -> None:
    station = await charging(dial, variables={"SampledDataCtrlr.Enabled": "false"})
    await station.tap(CARD)
    await station.wait_for(lambda s: not len(s.outbox))
    assert not any("meterValue" in one for one in csms.events())
    station.variables.set("AlignedDataCtrlr.Measurands", "")
    trigger = {"requestedMessage": "MeterValues"}
    await csms.call("TriggerMessage", trigger)
    assert csms.calls("MeterValues") == []


async def test_a_car_that_is_asleep_is_woken(csms: Csms, dial: Dial) -> None:
    station = await dial(variables=NEVER)
    car = await station.plug(1, "sleeper")
    car.asleep = True
    await station.tap(CARD)
    assert not car.asleep


async def test_a_remote_profile_that_does_not_fit_any_more(csms: Csms, dial: Dial) -> None:
    station = await dial(variables=NEVER)
    start = {"remoteStartId": 1, "idToken": token(), "chargingProfile": profile(limit=7)}
    assert await csms.call("RequestStartTransaction", start) == {"status": "Accepted"}
    await station.wait_for(lambda s: s.evse(1).permit)
    station.profiles.abilities = replace(station.profiles.abilities, units=("W",))
    await station.plug(1, "family")
    assert running_id(station)
    assert station.evse(1).evse.limit_a == 16
    assert station.books.notes[-1]["event"] == "profile_refused"
