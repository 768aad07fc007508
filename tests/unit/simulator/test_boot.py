"""From power-up to accepted, and back after losing the connection."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
import socket
from typing import Any

import pytest

from simulator import ManualClock, Ocpp16Station, StationConfig

from .conftest import FAST, Dial
from .server import ID, Server

NOW = "2026-03-01T00:00:00Z"


def boot(*statuses: str, interval: int = 300) -> Any:
    """Return a maker of answers that gives these statuses in turn, then Accepted."""
    left = list(statuses)

    def answer(_: object) -> dict[str, Any]:
        status = left.pop(0) if left else "Accepted"
        return {"status": status, "currentTime": NOW, "interval": interval}

    return answer


async def test_accepted(server: Server, dial: Dial) -> None:
    server.answers["BootNotification"] = boot(interval=77)
    station = await dial(connectors=2, serial="S" * 30)
    await station.wait_for(lambda _: len(server.calls("StatusNotification")) == 3)
    assert server.received[0] == (
        "BootNotification",
        {
            "chargePointVendor": "Forecourt Simulator",
            "chargePointModel": "Simulated Wallbox",
            "chargePointSerialNumber": "S" * 25,
            "firmwareVersion": "1.0.0",
        },
    )
    statuses = server.calls("StatusNotification")
    assert [(one["connectorId"], one["status"]) for one in statuses] == [
        *((0, "Available"), (1, "Available"), (2, "Available"))
    ]
    assert station.settings.number("HeartbeatInterval") == 77
    # The server's time has been taken over.
    assert statuses[0]["timestamp"].startswith("2026-03-01T00:00:0")


async def test_pending_waits_for_its_interval_and_answers_meanwhile(
    server: Server, dial: Dial
) -> None:
    server.answers["BootNotification"] = boot("Pending", interval=60)
    clock = ManualClock()
    station = await dial(ready=False, clock=clock, tick_s=1.0)
    await station.plug(1, "family")
    await station.wait_for(lambda s: s.registration == "Pending")
    await clock.advance(59)
    answer = await server.call("GetConfiguration", {"key": ["HeartbeatInterval"]})
    assert answer["configurationKey"][0]["value"] == "300"
    refused = await server.call("RemoteStartTransaction", {"idTag": "04AA"})
    assert refused == {"status": "Rejected"}
    assert station.books.violations_of("remote_transaction_while_pending") == 1
    assert [action for action, _ in server.received] == ["BootNotification"]
    await clock.advance(2)
    await station.wait_for(lambda s: s.ready)
    assert len(server.calls("BootNotification")) == 2


async def test_pending_is_cut_short_by_a_trigger(server: Server, dial: Dial) -> None:
    server.answers["BootNotification"] = boot("Pending", interval=3600)
    station = await dial(ready=False)
    await station.wait_for(lambda s: s.registration == "Pending")
    answer = await server.call("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert answer == {"status": "Accepted"}
    await station.wait_for(lambda s: s.ready)


async def test_rejected_is_deaf_and_mute(server: Server, dial: Dial) -> None:
    server.answers["BootNotification"] = boot("Rejected", interval=60)
    clock = ManualClock()
    station = await dial(ready=False, clock=clock, tick_s=1.0)
    await station.wait_for(lambda s: s.registration == "Rejected")
    await server.send([2, "x1", "ClearCache", {}])
    await station.wait_for(lambda s: s.books.violations)
    assert station.books.violations_of("call_while_rejected") == 1
    await clock.advance(61)
    await station.wait_for(lambda s: s.ready)
    assert [3, "x1"] not in [frame[:2] for frame in server.frames]


async def test_a_failed_boot_is_tried_again(server: Server, dial: Dial) -> None:
    answers = iter([[4, ID, "InternalError", "", {}], boot(interval=0)(None)])
    server.answers["BootNotification"] = lambda _: next(answers)
    station = await dial()
    assert [note["event"] for note in station.books.notes][:3] == [
        *("connected", "boot_failed", "boot")
    ]
    # An interval of 0 leaves the choice to the station.
    assert station.settings.number("HeartbeatInterval") == 300


async def test_heartbeats_keep_the_clock_right(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    server.now = clock.utc
    server.answers["BootNotification"] = boot(interval=30)
    station = await dial(clock=clock, tick_s=1.0, battery_backed_clock=False)
    later = datetime(2027, 1, 1, tzinfo=UTC)
    server.now = lambda: later
    await clock.advance(31)
    await station.wait_for(lambda s: s.time.now().year == 2027)
    assert len(server.calls("Heartbeat")) == 1
    assert await server.call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "5"}) == {
        "status": "Accepted"
    }
    for count in (2, 3):
        await clock.advance(6)
        await station.wait_for(lambda _, count=count: len(server.calls("Heartbeat")) == count)
    server.answers["Heartbeat"] = lambda _: [4, ID, "GenericError", "", {}]
    await clock.advance(6)
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "heartbeat_failed")
    assert station.ready


async def test_a_time_without_zone_is_no_time(server: Server, dial: Dial) -> None:
    server.answers["BootNotification"] = lambda _: {
        "status": "Accepted",
        "currentTime": "2020-01-01T00:00:00",
        "interval": 300,
    }
    station = await dial()
    assert station.books.violations_of("bad_time") == 1
    assert station.time.now().year >= 2025


async def test_basic_auth(server: Server, dial: Dial) -> None:
    server.password = "Basic " + base64.b64encode(b"SIM-1:secret").decode()
    station = await dial(password="secret")
    assert station.online
    assert server.paths == ["/SIM-1"]


async def test_a_wrong_password_is_tried_again_with_back_off(server: Server, dial: Dial) -> None:
    server.password = "something else"
    station = await dial(ready=False, password=b"\x01\xff")
    await station.wait_for(lambda _: len(server.authorizations) >= 3)
    assert "401" in station.state()["last_error"]
    assert server.authorizations[0] == "Basic " + base64.b64encode(b"SIM-1:\x01\xff").decode()


async def test_the_identity_is_quoted_in_the_address(server: Server) -> None:
    config = StationConfig("A/B ü", **FAST)
    async with Ocpp16Station(config, server.url + "/") as station:
        await station.wait_for(lambda s: s.ready)
    assert server.paths == ["/A%2FB%20%C3%BC"]


@pytest.mark.parametrize("subprotocols", [(), ("ocpp2.0.1",)])
async def test_without_the_subprotocol_there_is_no_talking(
    server: Server, dial: Dial, subprotocols: tuple[str, ...]
) -> None:
    server.subprotocols = subprotocols
    station = await dial(ready=False)
    await station.wait_for(lambda s: s.books.violations_of("wrong_subprotocol") >= 2)
    assert server.received == []


async def test_no_boot_after_a_mere_reconnect(server: Server, dial: Dial) -> None:
    station = await dial()
    await station.wait_for(lambda _: server.statuses() == ["Available"])
    await server.close_sockets()
    await station.wait_for(lambda s: not s.ready)
    await station.plug(1, "family")
    await station.wait_for(lambda s: s.ready)
    await station.wait_for(lambda _: server.statuses() == ["Available", "Preparing"])
    assert len(server.calls("BootNotification")) == 1
    assert server.statuses(0) == ["Available"]


async def test_some_firmware_boots_at_every_reconnect(server: Server, dial: Dial) -> None:
    station = await dial(boot_on_reconnect=True, message_ids="counter")
    await station.wait_for(lambda _: server.statuses() == ["Available"])
    await server.close_sockets()
    await station.wait_for(lambda _: server.statuses() == ["Available", "Available"])
    assert len(server.calls("BootNotification")) == 2
    assert server.ids == ["1", "2", "3", "1", "2", "3"]


async def test_a_server_that_comes_back(server: Server, dial: Dial) -> None:
    station = await dial()
    await server.stop()
    await station.wait_for(lambda s: s.connection.last_error)
    await server.start()
    await station.wait_for(lambda s: s.ready)
    assert station.connection.last_error is None


async def test_a_server_that_never_shakes_hands(dial: Dial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}"
        config = StationConfig("SIM-1", **{**FAST, "call_timeout_s": 0.02})
        async with Ocpp16Station(config, url) as station:
            await station.wait_for(lambda s: "Timeout" in str(s.connection.last_error))


async def test_pings(server: Server, dial: Dial) -> None:
    station = await dial(ping_s=0.02)
    await station.wait_for(lambda s: s.link.pongs >= 2)
    server.answers_pings = False
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "disconnected")
    assert "no_pong" in [note["event"] for note in station.books.notes]
    server.answers_pings = True
    await station.wait_for(lambda s: s.ready)


async def test_the_server_is_answered_its_pings(server: Server, dial: Dial) -> None:
    station = await dial()
    await server.ping()
    await station.wait_for(lambda _: server.pongs == 1)


async def test_a_new_password_from_the_server(server: Server, dial: Dial) -> None:
    station = await dial()
    key = "00112233445566778899aabbccddeeff"
    server.password = "Basic " + base64.b64encode(b"SIM-1:" + bytes.fromhex(key)).decode()
    change = {"key": "AuthorizationKey", "value": key}
    assert await server.call("ChangeConfiguration", change) == {"status": "Accepted"}
    await station.wait_for(lambda s: not s.ready)
    await station.wait_for(lambda s: s.ready)
    shown = await server.call("GetConfiguration", {"key": ["AuthorizationKey"]})
    assert shown == {"configurationKey": [{"key": "AuthorizationKey", "readonly": False}]}
    # What is not hexadecimal is taken as it is.
    server.password = "Basic " + base64.b64encode(b"SIM-1:correct horse battery").decode()
    change["value"] = "correct horse battery"
    assert await server.call("ChangeConfiguration", change) == {"status": "Accepted"}
    await station.wait_for(lambda s: not s.ready)
    await station.wait_for(lambda s: s.ready)


async def test_some_firmware_takes_a_hexadecimal_password_literally(
    server: Server, dial: Dial
) -> None:
    station = await dial(authorization_key_hex=False)
    key = "00112233445566778899aabbccddeeff"
    server.password = "Basic " + base64.b64encode(f"SIM-1:{key}".encode()).decode()
    await server.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": key})
    await station.wait_for(lambda s: not s.ready)
    await station.wait_for(lambda s: s.ready)


async def test_a_station_that_breaks_says_so(dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    station = await dial()

    async def break_down() -> None:
        raise RuntimeError("smoke")

    station.spawn(break_down())
    await station.wait_for(lambda _: "The simulated station SIM-1 failed" in caplog.text)


async def test_what_is_wrong_with_a_station_is_said(dial: Dial) -> None:
    with pytest.raises(ValueError, match="NoSuchKey cannot be 'x'"):
        await dial(settings={"NoSuchKey": "x"})
    with pytest.raises(ValueError, match="HeartbeatInterval cannot be 'often'"):
        await dial(settings={"HeartbeatInterval": "often"})
    station = await dial(ready=False)
    with pytest.raises(ValueError, match="no connector 2; there is 1"):
        station.connector(2)
    with pytest.raises(TimeoutError, match=r"still waiting after 0.01 s: .*'registration'"):
        await station.wait_for(lambda _: False, timeout=0.01)
