"""One WebSocket: how much may come at once, and a peer that does not read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import socket

from aiohttp import ClientSession, ClientWebSocketResponse, web
import pytest

from custom_components.forecourt.stations.ocpp.link import (
    MAX_MESSAGE_BYTES,
    MAX_TRUSTED_BYTES,
    SMALL_FRAME,
    ConnectionLostError,
    Link,
    Timing,
)

QUICK = Timing(close_s=0.1, send_s=0.1)


class Host:
    """A server that has one link and notes what comes over it."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[str] = asyncio.Queue()
        self.fault: str | None = None
        self.linked = asyncio.Event()
        self.ended = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.link = Link(request, "ocpp1.6", QUICK)
        response = await self.link.upgrade()
        self.linked.set()
        try:
            async for text in self.link.frames():
                self.came.put_nowait(text)
        finally:
            self.fault = self.link.fault
            self.ended.set()
            await self.link.close()
        return response


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Host, ClientWebSocketResponse]]:
    host = Host()
    runner = web.ServerRunner(web.Server(host.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"ws://127.0.0.1:{site.port}/"
    async with ClientSession() as session, session.ws_connect(url) as peer:
        await host.linked.wait()
        yield host, peer
    await runner.cleanup()


async def test_a_known_station_may_send_more_at_once() -> None:
    async with connected() as (host, peer):
        await peer.send_str("x" * MAX_MESSAGE_BYTES)
        host.link.trusted = True
        await peer.send_str("x" * (MAX_TRUSTED_BYTES - 1))
        assert [len(await host.came.get()) for _ in range(2)] == [
            MAX_MESSAGE_BYTES,
            MAX_TRUSTED_BYTES - 1,
        ]
        await peer.send_str("x" * (MAX_TRUSTED_BYTES + 1))
        await host.ended.wait()
        assert host.fault == "message over 512 KiB"
        assert (await peer.receive()).data == 1009


async def test_a_stranger_may_not() -> None:
    async with connected() as (host, peer):
        await peer.send_str("x" * (MAX_MESSAGE_BYTES + 1))
        assert (await peer.receive()).data == 1009
        await host.ended.wait()
        assert host.fault == "message over 64 KiB"
        assert host.came.empty()


@pytest.mark.parametrize("length", [SMALL_FRAME // 8, SMALL_FRAME * 8])
async def test_a_peer_that_does_not_read_is_dropped(length: int) -> None:
    async with connected() as (host, peer):
        # What the machine holds for it would be megabytes.
        transport = host.link._request.transport
        assert transport is not None
        server_end = transport.get_extra_info("socket")
        server_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer._conn.transport.pause_reading()  # type: ignore[union-attr]

        async def talk() -> None:
            while True:
                await host.link.send("x" * length)

        with pytest.raises(ConnectionLostError):
            await talk()
        assert host.link.why == "does not read what it is sent"
        assert not host.link.open
        with pytest.raises(ConnectionLostError):
            await host.link.send("more")
        await host.ended.wait()
        # It would wait for a goodbye that it does not read.
        peer._conn.transport.abort()  # type: ignore[union-attr]


async def test_frames_arrive_whole_and_in_order() -> None:
    async with connected() as (host, peer):
        sent = [chr(0x1F600) * length for length in (1, SMALL_FRAME, SMALL_FRAME + 1, 2)]
        for text in sent:
            await host.link.send(text)
        assert [await peer.receive_str() for _ in sent] == sent
