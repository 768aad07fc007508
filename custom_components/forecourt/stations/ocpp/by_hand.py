"""Calls that somebody who knows OCPP makes by hand, and what is in doubt afterwards.

What is believed of a station, so that it is not told again what it has, no longer holds
once somebody else changed it.
"""

from collections.abc import Awaitable, Callable

from ..base import Failure, StationError
from .asker import Asker
from .schema import Payload
from .station import OcppStation

# Nothing was done.
UNDONE = ("NotSupported", "Rejected")


async def call_by_hand(
    station: OcppStation, asker: Asker, action: str, payload: Payload, known: frozenset[str]
) -> Payload:
    """Make any of the known calls, and return the answer. Raises `StationError`."""
    doubt = DOUBTED.get(action)
    try:
        answer = await asker.call(action, payload, known)
    except StationError as err:
        # Nobody knows whether it arrived.
        if doubt is not None and err.failure in (Failure.OFFLINE, Failure.TIMEOUT):
            await doubt(station)
        raise
    if doubt is not None and answer.get("status") not in UNDONE:
        await doubt(station)
    return answer


async def _limits(station: OcppStation) -> None:
    await station.limiter.doubt()
    station.composite.doubt()


async def _list(station: OcppStation) -> None:
    station.token_list.doubt()


async def _restart(station: OcppStation) -> None:
    station.limiter.restarted()


async def _settings(station: OcppStation) -> None:
    # They are read again when it connects the next time.
    station.settings = {}


DOUBTED: dict[str, Callable[[OcppStation], Awaitable[None]]] = {
    "ChangeConfiguration": _settings,
    "ClearChargingProfile": _limits,
    "Reset": _restart,
    "SendLocalList": _list,
    "SetChargingProfile": _limits,
    "SetVariables": _settings,
}
