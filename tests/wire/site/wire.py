"""A network between station and site that fails at the worst moment."""

import asyncio
from types import TracebackType
from typing import Self


class Wire:
    """Passes bytes on, and breaks when the site says a word that must not arrive."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server
        self._ways: set[asyncio.Task[None]] = set()
        self.lost: list[bytes] = []
        """What the site's next answers must not contain; each breaks the wire once."""

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError, asyncio.CancelledError:
            writer.close()
            return
        for way in (self._pass(reader, far_writer), self._deliver(far_reader, writer)):
            task = asyncio.create_task(way)
            self._ways.add(task)
            task.add_done_callback(self._ways.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _deliver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bring to the station what the site says, but for the lost words."""
        try:
            while data := await reader.read(65536):
                for word in self.lost:
                    if word in data:
                        self.lost.remove(word)
                        writer.transport.abort()
                        return
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
