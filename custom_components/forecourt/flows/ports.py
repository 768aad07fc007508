"""Whether a port can be listened on, found out by trying."""

import errno
import socket

LAST_PORT = 65535


def port_problem(port: int) -> str | None:
    """Return the key of what is wrong with listening on the port, `None` if nothing is."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.create_server(("", port), family=family):
                pass
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "port_in_use"
            if error.errno == errno.EACCES:
                return "port_forbidden"
            # A machine without IPv6 is no reason not to listen.
    return None


def next_free_port(port: int) -> int:
    """Return the first port above this one that can be listened on."""
    free = (number for number in range(port + 1, LAST_PORT + 1) if port_problem(number) is None)
    return next(free, port)
