"""The client without manners."""

from __future__ import annotations

from aiohttp import WSServerHandshakeError
import pytest

from simulator import RawClient

from .conftest import Dial
from .server import Server


async def test_anything_goes_out_and_comes_back(server: Server) -> None:
    async with RawClient(server.url, "SIM-1") as client:
        assert client.subprotocol == "ocpp1.6"
        [kind, message_id, answer] = await client.boot()
        assert (kind, message_id, answer["status"]) == (3, "1", "Accepted")
        await client.send("{")
        await client.send(b"\x00")
        await client.send([2, "7", "Heartbeat", {}])
        frame = await client.receive()
        assert frame[:2] == [3, "7"]
        await server.send("no json")
        assert await client.receive() == "no json"
        await server.send(b"\x01")
        assert await client.receive() == b"\x01"
    assert server.frames[1:3] == ["{", b"\x00"]
    assert server.close_codes == [1000]


async def test_frames_that_come_between_wait_for_their_turn(server: Server) -> None:
    async with RawClient(server.url, "SIM-1") as client:
        await client.boot()
        for name in ("a", "b"):
            await server.send([2, name, "ClearCache", {}])
        await server.send({"not": "a list"})
        answer = await client.call("Heartbeat", {}, message_id="mine")
        assert answer[:2] == [3, "mine"]
        assert [(await client.receive())[1] for _ in range(2)] == ["a", "b"]
        assert await client.receive() == {"not": "a list"}


async def test_silence_and_the_end(server: Server) -> None:
    async with RawClient(server.url, "SIM-1") as client:
        with pytest.raises(TimeoutError):
            await client.receive(timeout=0.01)
        server.answers["Heartbeat"] = lambda _: None
        with pytest.raises(TimeoutError):
            await client.call("Heartbeat", {}, timeout=0.01)
        await server.close_sockets()
        assert await client.receive() is None
        assert client.close_code == 1001
        with pytest.raises(ConnectionError):
            await client.call("Heartbeat", {})


async def test_connecting(server: Server, dial: Dial) -> None:
    client = RawClient(server.url, "SIM-1", subprotocols=())
    await client.close()
    with pytest.raises(RuntimeError, match="not connected"):
        await client.send("x")
    await client.connect()
    assert client.subprotocol is None
    await client.boot()
    await client.drop(reset=True)
    station = await dial()
    assert station.ready
    assert server.close_codes == [1006]
    server.password = "x"
    with pytest.raises(WSServerHandshakeError) as error:
        await client.connect()
    assert error.value.status == 401
