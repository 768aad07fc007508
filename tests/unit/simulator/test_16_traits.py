"""Firmware that behaves as some real one does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator import StationConfig
from simulator.ocpp16.settings import Settings

from .charging import ACCEPTED, REJECTED, charging, profile, set_profile
from .conftest import Dial
from .server import Server

MEASURANDS = ("Energy.Active.Import.Register", "Power.Active.Import")


async def test_limits_that_are_accepted_and_ignored(server: Server, dial: Dial) -> None:
    station = await charging(dial, ignores_limits=True)
    assert await set_profile(server, 1, profile(limit=6)) == "Accepted"
    assert await set_profile(server, 0, profile("ChargePointMaxProfile", 6, 2)) == "Accepted"
    assert station.connector(1).evse.limit_a == 16


async def test_zero_ends_the_transaction(server: Server, dial: Dial) -> None:
    station = await charging(dial, stops_at_zero=True)
    assert await set_profile(server, 1, profile(limit=6)) == "Accepted"
    assert station.connector(1).transaction is not None
    assert await set_profile(server, 1, profile(limit=0)) == "Accepted"
    await station.wait_for(lambda _: server.calls("StopTransaction"))
    assert server.calls("StopTransaction")[0]["reason"] == "Other"
    await station.wait_for(lambda _: server.status() == "Finishing")


@pytest.mark.parametrize(
    ("composite", "before", "after"),
    [("ok", 16, 10), ("minus_one", -1, 10), ("wrong", 16, 16)],
)
async def test_composite_schedules(
    server: Server, dial: Dial, composite: str, before: float, after: float
) -> None:
    await charging(dial, composite=composite)
    request = {"connectorId": 1, "duration": 60}

    async def limit() -> float:
        answer = await server.call("GetCompositeSchedule", request)
        [period] = answer["chargingSchedule"]["chargingSchedulePeriod"]
        return float(period["limit"])

    assert await limit() == before
    await set_profile(server, 1, profile(limit=10))
    assert await limit() == after


async def test_no_composite_schedules(server: Server, dial: Dial) -> None:
    await dial(composite="none")
    frame = await server.call_frame("GetCompositeSchedule", {"connectorId": 1, "duration": 60})
    assert (frame[0], frame[2]) == (4, "NotImplemented")


async def test_measurands_one_by_one(server: Server, dial: Dial) -> None:
    station = await dial(max_measurands=1)
    assert station.settings.names("MeterValuesSampledData") == MEASURANDS[:1]
    change = {"key": "MeterValuesSampledData", "value": ",".join(MEASURANDS)}
    assert await server.call("ChangeConfiguration", change) == REJECTED
    assert await server.call("ChangeConfiguration", {**change, "value": MEASURANDS[1]}) == ACCEPTED
    assert station.settings.names("MeterValuesSampledData") == MEASURANDS[1:]


async def test_a_meter_that_begins_anew(server: Server, dial: Dial) -> None:
    station = await charging(dial, session_relative_meter=True, register_wh=5000)
    await server.call("TriggerMessage", {"requestedMessage": "MeterValues"})
    await station.wait_for(lambda s: s.books.readings[-1].context == "Trigger")
    assert station.books.readings[-1].reported_wh == 0
    assert station.books.readings[-1].register_wh == 5000
    assert server.calls("StartTransaction")[0]["meterStart"] == 5000


async def test_remote_start_refused(server: Server, dial: Dial) -> None:
    await dial(refuses_remote_start=True)
    assert await server.call("RemoteStartTransaction", {"idTag": "04AA"}) == REJECTED


async def test_triggers_that_are_not_there(server: Server, dial: Dial) -> None:
    await dial(triggers=("Heartbeat",))
    answers = [
        await server.status_of("TriggerMessage", {"requestedMessage": message})
        for message in ("Heartbeat", "MeterValues")
    ]
    assert answers == ["Accepted", "NotImplemented"]


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
        ("UpdateFirmware", {"location": "http://a", "retrieveDate": "2026-01-01T00:00:00Z"}),
        ("GetDiagnostics", {"location": "http://a"}),
        ("ClearChargingProfile", {}),
        ("CancelReservation", {"reservationId": 1}),
        ("GetInstalledCertificateIds", {"certificateType": "ManufacturerRootCertificate"}),
    ],
)
async def test_whole_profiles_are_not_there(
    server: Server, dial: Dial, action: str, payload: dict[str, Any]
) -> None:
    await dial(feature_profiles=("Core",), security_extensions=False)
    frame = await server.call_frame(action, payload)
    assert (frame[0], frame[2]) == (4, "NotSupported")
    answer = await server.call("GetConfiguration", {"key": ["SecurityProfile"]})
    assert answer["unknownKey"] == ["SecurityProfile"]


def test_profiles_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="no feature profile Coffee; there is Core, Firmware"):
        Settings(StationConfig("SIM-1", feature_profiles=("Core", "Coffee")))


async def test_settings_that_are_forgotten(server: Server, dial: Dial) -> None:
    station = await dial(forgets_settings=("ConnectionTimeOut",))
    change = {"key": "ConnectionTimeOut", "value": "90"}
    assert await server.call("ChangeConfiguration", change) == ACCEPTED
    assert station.settings.number("ConnectionTimeOut") == 60


async def test_settings_that_make_it_reboot(server: Server, dial: Dial) -> None:
    station = await charging(dial, reboots_on_change=("MeterValueSampleInterval",))
    change = {"key": "MeterValueSampleInterval", "value": "7"}
    assert await server.status_of("ChangeConfiguration", change) == "RebootRequired"
    await station.wait_for(lambda _: len(server.calls("BootNotification")) == 2)
    assert server.calls("StopTransaction")[0]["reason"] == "Reboot"
    assert station.settings.number("MeterValueSampleInterval") == 7
    # What needs a reboot elsewhere waits for one.
    change = {"key": "ConnectorPhaseRotation", "value": "1.STR"}
    await station.wait_for(lambda s: s.ready)
    assert await server.status_of("ChangeConfiguration", change) == "RebootRequired"
    await server.call("ClearCache", {})
    assert len(server.calls("BootNotification")) == 2


async def test_the_order_of_keys_matters(server: Server, dial: Dial) -> None:
    station = await dial(strict_local_list=True)
    entries = [{"idTag": "04AA", "idTagInfo": {"status": "Accepted"}}]
    right = {"listVersion": 1, "localAuthorizationList": entries, "updateType": "Full"}
    wrong = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": entries}
    frame = await server.call_frame("SendLocalList", wrong)
    assert (frame[0], frame[2]) == (4, "FormationViolation")
    assert station.internals.local_auth.version == 0
    assert await server.call("SendLocalList", right) == ACCEPTED
    empty = {"listVersion": 2, "updateType": "Full"}
    assert await server.call("SendLocalList", empty) == ACCEPTED


async def test_lists_as_long_as_a_station_says(server: Server, dial: Dial) -> None:
    await dial(settings={"SendLocalListMaxLength": "2", "LocalAuthListMaxLength": "3"})

    async def send(version: int, kind: str, *names: str) -> str:
        entries = [{"idTag": name, "idTagInfo": {"status": "Accepted"}} for name in names]
        payload = {"listVersion": version, "updateType": kind, "localAuthorizationList": entries}
        return await server.status_of("SendLocalList", payload)

    assert await send(1, "Full", "A", "B", "C") == "Failed"
    assert await send(1, "Full", "A", "B") == "Accepted"
    assert await send(2, "Differential", "C", "D") == "Failed"
    assert await send(2, "Differential", "C") == "Accepted"


async def test_frames_with_blanks_cannot_be_read(server: Server, dial: Dial) -> None:
    server.compact = True
    station = await dial(compact_json_only=True, vendor="A: b, c")
    text = json.dumps([2, "x", "ClearCache", {}])
    await server.send(text)
    await station.wait_for(lambda s: s.books.violations_of("not_compact"))
    # Blanks in a string are no matter.
    echo = {"vendorId": "A: b, c", "messageId": "Echo", "data": 'a "quoted, \\" b'}
    assert (await server.call("DataTransfer", echo))["data"] == echo["data"]
    assert not any(frame[1] == "x" for frame in server.frames)


async def test_message_ids_that_begin_anew_at_each_boot(server: Server, dial: Dial) -> None:
    station = await dial(message_ids="boot_counter")
    await station.wait_for(lambda _: server.statuses() == ["Available"])
    await server.close_sockets()
    await station.wait_for(lambda s: not s.ready)
    await station.plug(1, "family")
    await station.wait_for(lambda _: server.status() == "Preparing")
    assert server.ids == ["1", "2", "3", "4"]
    await station.fault("reboot")
    await station.wait_for(lambda _: len(server.calls("BootNotification")) == 2)
    assert server.ids[4] == "1"


async def test_security_events(server: Server, dial: Dial) -> None:
    station = await dial(security_events=True)
    await station.wait_for(lambda _: server.calls("SecurityEventNotification"))
    await server.call("ClearCache", {})  # by then the station has the answer, or it would repeat it
    await station.fault("reboot")
    await station.wait_for(lambda _: len(server.calls("SecurityEventNotification")) == 2)
    told = server.calls("SecurityEventNotification")
    assert [one["type"] for one in told] == ["StartupOfTheDevice", "ResetOrReboot"]
    assert told[1]["techInfo"] == "Reboot"


async def test_anything_that_a_station_may_send(server: Server, dial: Dial) -> None:
    station = await dial()
    request = {"vendorId": "Us", "data": "x"}
    assert await station.send("DataTransfer", request) == ACCEPTED
    assert server.calls("DataTransfer") == [request]
    with pytest.raises(ValueError, match="no station sends 'ClearCache'; there is Authorize"):
        await station.send("ClearCache", {})
    with pytest.raises(ValueError, match="vendorId"):
        await station.send("DataTransfer", {})
    await station.fault("offline")
    with pytest.raises(ConnectionError):
        await station.send("Heartbeat", {})
