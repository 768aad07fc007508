"""Finds free TCP ports, so that two runs do not collide."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import fcntl
import os
from pathlib import Path
import socket
import tempfile
from typing import IO

HTTP_PORT = 8123
"""The one that Home Assistant usually has."""

OCPP_PORT = 9000
"""The one that stations usually dial."""

MODBUS_PORT = 5020
"""For boxes that speak Modbus: the usual 502 is for root only."""

MQTT_PORT = 1883
"""The one that brokers usually have."""

HIGHEST = 65535

# Kept open, and with that locked, as long as this process lives.
_claims: list[IO[str]] = []


def claim_port(first: int) -> int:
    """Return the first port from `first` on that is free, and that no other run has claimed.

    Between the choice of a port and its use, others would find it free.
    """
    folder = Path(tempfile.gettempdir(), f"forecourt-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    for port in range(first, HIGHEST + 1):
        claim = (folder / str(port)).open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            continue
        if is_free(port):
            _claims.append(claim)
            return port
        claim.close()
    raise OSError(f"no free port from {first} on")


@contextmanager
def held(port: int) -> Iterator[None]:
    """Listen on a port meanwhile, if nobody else does: so it is not free for anybody."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            holder.bind(("", port))
            holder.listen()
        yield


def is_free(port: int) -> bool:
    """Whether somebody could listen there, on 127.0.0.1 as on all addresses."""
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - closed again at once
        with socket.socket() as probe:
            # As servers do: a port whose last connections are still fading is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
