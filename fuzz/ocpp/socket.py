"""A WebSocket without manners: whatever bytes somebody wants, and what comes back (RFC 6455)."""

import asyncio
import base64
from random import Random
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL = 0x80
MASKED = 0x80


class Refused(Exception):  # noqa: N818 - it is an answer
    """The handshake was answered with something else than 101; the text has the first line."""


class Socket:
    """One connection; `closed` is the code and reason with which the server said goodbye."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: Random
    ) -> None:
        """Use `dial`."""
        self._reader = reader
        self._writer = writer
        self._chance = chance
        self.closed: tuple[int, str] | None = None

    @classmethod
    async def dial(
        cls, port: int, path: str, subprotocol: str, address: str, chance: Random
    ) -> Socket:
        """Shake hands from an address of this machine. Raises `Refused` and `OSError`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        key = base64.b64encode(chance.randbytes(16)).decode()
        writer.write(
            f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n".encode()
        )
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            writer.close()
            raise Refused(f"no answer: {error.partial!r}") from None
        except BaseException:
            writer.close()
            raise
        if not head.startswith(b"HTTP/1.1 101 "):
            writer.close()
            raise Refused(head.split(b"\r\n", 1)[0].decode())
        return cls(reader, writer, chance)

    async def send(
        self, data: bytes, kind: int = TEXT, *, flags: int = FINAL, masked: bool = True
    ) -> None:
        """Send one frame."""
        await self.send_raw(frame(data, kind, self._chance, flags=flags, masked=masked))

    async def send_raw(self, data: bytes) -> None:
        """Send any bytes."""
        if not self._writer.is_closing():
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next frame of the server, `None` at the end."""
        try:
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2))
            elif size == 127:
                size = int.from_bytes(await self._reader.readexactly(8))
            data = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError, ConnectionError:
            return None
        if first & 0xF == CLOSE:
            code = int.from_bytes(data[:2]) if len(data) >= 2 else 1005
            self.closed = code, data[2:].decode()
        return first & 0xF, data

    def vanish(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    async def hang_up(self) -> None:
        """Close the connection."""
        self._writer.close()


def frame(
    data: bytes, kind: int, chance: Random, *, flags: int = FINAL, masked: bool = True
) -> bytes:
    """Return one frame of a client."""
    size, mask_bit = len(data), MASKED if masked else 0
    head = bytes((flags | kind,))
    if size < 126:
        head += bytes((mask_bit | size,))
    elif size < 1 << 16:
        head += struct.pack("!BH", mask_bit | 126, size)
    else:
        head += struct.pack("!BQ", mask_bit | 127, size)
    if not masked:
        return head + data
    mask = chance.randbytes(4)
    whole = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(data) ^ int.from_bytes(whole)).to_bytes(size)
