"""The versions of OCPP that are spoken, and which one a client gets."""

from .v16 import V16
from .v21 import V21
from .v201 import V201
from .version import Version

VERSIONS: dict[str, Version] = {version.subprotocol: version for version in (V16, V201, V21)}


def negotiated(offered: str | None) -> Version | None:
    """Return the first version of a Sec-WebSocket-Protocol header that is spoken here.

    A client that offers nothing is taken for one of OCPP 1.6, the oldest.
    """
    if not offered:
        return V16
    wanted = (one.strip() for one in offered.split(","))
    return next((VERSIONS[one] for one in wanted if one in VERSIONS), None)
