"""Finds free TCP ports, so that two runs do not collide."""

import socket

HIGHEST = 65535


def free_port(first: int, taken: set[int] | None = None) -> int:
    """Return the first free port from `first` on, except those taken."""
    for port in range(first, HIGHEST + 1):
        if port not in (taken or ()) and is_free(port):
            return port
    raise OSError(f"no free port from {first} on")


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
