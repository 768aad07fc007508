"""One station that sends its meter values as fast as they are answered, or after a pause.

Run as a program of its own: PORT WARM_UP_S SECONDS PAUSE_S FILE. It does as little as possible, so
that it is the other side whose time is measured: a blocking socket, and frames that are put
together from prepared parts. It prints "begin" and "end" around what is measured, and then the
results as JSON. FILE gets the readings that were acknowledged.
"""

import base64
import json
import os
from pathlib import Path
import socket
from statistics import quantiles
import sys
from time import perf_counter, sleep
from typing import Any

from . import frames

NUMBER = 1
STEP_WH = 1
START_WH = 1_000_000
SETTLE_S = 1.0

_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A


class Line:
    """A WebSocket of a client (RFC 6455), blocking, with messages of 64 KiB at most."""

    def __init__(self, port: int, path: str) -> None:
        """Dial in."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(head.decode())

    def send(self, text: str) -> None:
        """Send a text."""
        self._send(_TEXT, text.encode())

    def receive(self) -> str:
        """Return the next text; answers pings."""
        while True:
            kind, data = self._frame()
            if kind == _TEXT:
                return data.decode()
            if kind == _PING:
                self._send(_PONG, data)
            elif kind == _CLOSE:
                raise ConnectionError(f"closed: {data[2:].decode()}")

    def close(self) -> None:
        """Hang up."""
        self._send(_CLOSE, b"\x03\xe8")
        self._socket.close()

    def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        head = bytes((kind, 0x80 | size)) if size < 126 else bytes((kind, 0xFE, *divmod(size, 256)))
        # A mask of zeros is one, and costs nothing.
        self._socket.sendall(head + b"\0\0\0\0" + data)

    def _frame(self) -> tuple[int, bytes]:
        while len(self._buffer) < 2:
            self._more()
        kind, size = self._buffer[0], self._buffer[1]
        begin = 2
        if size == 126:
            while len(self._buffer) < 4:
                self._more()
            size, begin = int.from_bytes(self._buffer[2:4]), 4
        while len(self._buffer) < begin + size:
            self._more()
        data = self._buffer[begin : begin + size]
        self._buffer = self._buffer[begin + size :]
        return kind, data

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the other side hung up")
        self._buffer += data


class Flood:
    """The station."""

    def __init__(self, port: int) -> None:
        """Dial in."""
        self._line = Line(port, frames.identity(NUMBER))
        self._number = 0
        self._register_wh = START_WH
        self._transaction_id = 0
        self.acknowledged: list[tuple[int, str, int]] = []

    def begin(self) -> None:
        """Boot, and begin a charge."""
        self._ask("BootNotification", frames.BOOT)
        self._ask("StatusNotification", frames.status("Preparing"))
        started = self._ask("StartTransaction", frames.start(NUMBER, START_WH))
        self._transaction_id = started["transactionId"]
        self._ask("StatusNotification", frames.status("Charging"))

    def send_for(self, seconds: float, pause_s: float) -> list[float]:
        """Send and be answered; return how many seconds each answer took."""
        template = self._template()
        took: list[float] = []
        now, send = perf_counter, self._line.send
        end = now() + seconds
        while (begin := now()) < end:
            self._register_wh += STEP_WH
            self._number += 1
            stamp = frames.time_text(frames.now())
            send(template % (self._number, stamp, self._register_wh))
            self._answer(f'[3,"{self._number}",')
            took.append(now() - begin)
            self.acknowledged.append((self._transaction_id, stamp, self._register_wh))
            if pause_s:
                sleep(pause_s)
        return took

    def end(self) -> None:
        """End the charge."""
        stop = frames.stop(self._transaction_id, NUMBER, self._register_wh)
        self._ask("StopTransaction", stop)
        self._ask("StatusNotification", frames.status("Available"))
        self._line.close()

    @property
    def charged(self) -> tuple[int, int]:
        """The transaction, and its last register value."""
        return self._transaction_id, self._register_wh

    def _template(self) -> str:
        """Return the call with places for its number, the time and the register."""
        payload = frames.meter_values(self._transaction_id, frames.now(), 0)
        values = payload["meterValue"][0]
        values["timestamp"], values["sampledValue"][0]["value"] = "%s", "%d"
        return frames.call("%d", "MeterValues", payload)

    def _ask(self, action: str, payload: frames.Payload) -> Any:
        self._number += 1
        self._line.send(frames.call(str(self._number), action, payload))
        return json.loads(self._answer(f'[3,"{self._number}",'))[2]

    def _answer(self, head: str) -> str:
        """Wait for the answer that begins like this; serve the central system meanwhile."""
        while not (text := self._line.receive()).startswith(head):
            message = json.loads(text)
            if message[0] != 2:
                raise ConnectionError(f"unexpected: {text}")
            self._line.send(frames.answer_text(message))
        return text


def main() -> None:
    """Send, and tell how fast it was."""
    port, file = int(sys.argv[1]), sys.argv[5]
    warm_up_s, seconds, pause_s = map(float, sys.argv[2:5])
    flood = Flood(port)
    flood.begin()
    flood.send_for(warm_up_s, pause_s)
    print("begin", flush=True)
    begin = perf_counter()
    took = flood.send_for(seconds, pause_s)
    took_s = perf_counter() - begin
    print("end", flush=True)
    flood.end()
    books = {"readings": flood.acknowledged, "started": [], "stopped": [flood.charged]}
    Path(file).write_text(json.dumps(books), encoding="ascii")
    cuts = quantiles(took, n=100)
    results = {
        "answers": len(took),
        "messages_per_s": round(len(took) / took_s),
        "p50_ms": round(cuts[49] * 1000, 3),
        "p99_ms": round(cuts[98] * 1000, 3),
    }
    print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
