"""What can go wrong with a station, on command.

Every fault is a function whose keyword parameters are the fault's parameters; `apply` checks them.
What is called a connector is an EVSE since OCPP 2.0.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

from .frames import LinkDownError, NoAnswerError, RpcError
from .garbage import GARBAGE, make
from .rpc import Link

if TYPE_CHECKING:
    from .ocpp16.station import Ocpp16Station
    from .ocpp201.station import Ocpp201Station

    type Station = Ocpp16Station | Ocpp201Station

type Fault = Callable[..., Awaitable[dict[str, Any] | None]]


async def drop(station: Station, *, reset: bool = False) -> None:
    """The socket vanishes without a WebSocket close, and comes again; `reset`: with RST."""
    await station.connection.drop(reset=reset)


async def offline(station: Station, *, seconds: float = 0.0) -> None:
    """No network for wall seconds; 0: until `online`. The station queues and keeps on charging."""
    await station.connection.lose_network()
    if seconds > 0:
        station.later(seconds, lambda: _find_network(station))


async def online(station: Station) -> None:
    """The network is back."""
    _find_network(station)


async def freeze(station: Station, *, seconds: float) -> None:
    """The socket stays open, but for wall seconds nothing is read, written or ponged."""
    link = _link(station)
    link.freeze()
    station.later(seconds, link.thaw)


async def reboot(station: Station) -> None:
    """The station crashes and boots; a transaction ends with Reboot."""
    await station.crash()


async def power_loss(station: Station, *, seconds: float = 0.0) -> None:
    """No mains for wall seconds; 0: until `power_return`."""
    await station.lose_power()
    if seconds > 0:
        station.later(seconds, station.return_power)


async def power_return(station: Station) -> None:
    """The mains are back; a transaction ends with PowerLoss at the last register."""
    station.return_power()


async def garbage(station: Station, *, kind: str = "broken_json") -> None:
    """Send what no server should choke on; kinds are in `simulator.garbage`."""
    if kind not in GARBAGE:
        raise ValueError(f"no garbage {kind!r}; there is {', '.join(GARBAGE)}")
    message_id, data = make(kind)
    await _link(station).send_raw(data, (message_id,))


async def duplicate(
    station: Station, *, action: str, new_id: bool = False, upcoming: bool = False
) -> dict[str, Any] | None:
    """Send the last call of an action again and return the answer or error.

    With its old message id, or a new one. `upcoming`: the next one goes out twice, at once.
    """
    link = _link(station)
    if upcoming:
        link.send_twice.add(action)
        return None
    try:
        answer = await link.repeat(action, new_id=new_id)
    except (RpcError, NoAnswerError, LinkDownError) as err:
        return {"error": f"{type(err).__name__}: {err}"}
    if action == "StartTransaction":
        start = link.last_calls[action].payload
        station.books.start_repeated(
            start["connectorId"], start["timestamp"], answer["transactionId"]
        )
    return {"answer": answer}


async def lose_reading(station: Station, *, count: int = 1) -> None:
    """The next MeterValues are in the books but never sent."""
    station.internals.lose_readings += count


async def skew_clock(station: Station, *, seconds: float) -> None:
    """The station's clock is wrong by seconds however often it is set; 0 ends it."""
    station.time.skew_s = seconds


async def register_zero(station: Station, *, connector: int = 1, count: int = 1) -> None:
    """The register shows 0 in the next readings of a connector."""
    station.connector(connector).readings.faults.zero_samples = count


async def session_register(station: Station, *, connector: int = 1, on: bool = True) -> None:
    """The register in MeterValues counts from the start of the transaction."""
    station.connector(connector).readings.faults.session_relative = on


async def replace_meter(station: Station, *, connector: int = 1, register_wh: int = 0) -> None:
    """Somebody puts in another meter."""
    station.state()  # what has flowed so far is the old one's
    station.connector(connector).evse.replace_meter(register_wh)


async def connector_error(
    station: Station, *, connector: int = 1, error_code: str = "GroundFailure"
) -> None:
    """The connector is Faulted with a ChargePointErrorCode; NoError ends it."""
    if error_code not in ERROR_CODES:
        raise ValueError(f"no error code {error_code!r}; there is {', '.join(sorted(ERROR_CODES))}")
    station.connector(connector).set_error(error_code)


async def emergency_stop(station: Station, *, connector: int = 1) -> None:
    """Somebody presses the red button: the transaction ends with EmergencyStop."""
    station.connector(connector).stop("EmergencyStop")


async def no_answer(station: Station, *, count: int = 1) -> None:
    """The next calls of the server stay unanswered."""
    station.commands.silent_calls = count


ERROR_CODES = frozenset(
    {
        "ConnectorLockFailure",
        "EVCommunicationError",
        "GroundFailure",
        "HighTemperature",
        "InternalError",
        "LocalListConflict",
        "NoError",
        "OtherError",
        "OverCurrentFailure",
        "OverVoltage",
        "PowerMeterFailure",
        "PowerSwitchFailure",
        "ReaderFailure",
        "ResetFailure",
        "UnderVoltage",
        "WeakSignal",
    }
)
"""ChargePointErrorCode, OCPP 1.6 §7.6."""

FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        connector_error,
        drop,
        duplicate,
        emergency_stop,
        freeze,
        garbage,
        lose_reading,
        no_answer,
        offline,
        online,
        power_loss,
        power_return,
        reboot,
        register_zero,
        replace_meter,
        session_register,
        skew_clock,
    )
}
"""Every fault by its name."""


def describe() -> dict[str, dict[str, Any]]:
    """Return for every fault what it does and its parameters."""
    return {
        name: {
            "does": inspect.cleandoc(fault.__doc__ or ""),
            "parameters": {
                key: kind.__name__ + ("" if one.default is one.empty else f" = {one.default!r}")
                for key, (one, kind) in _parameters(fault).items()
            },
        }
        for name, fault in FAULTS.items()
    }


async def apply(station: Station, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Do a fault and return what it led to; ValueError says what there is or what is wrong."""
    fault = FAULTS.get(name)
    if fault is None:
        raise ValueError(f"no fault {name!r}; there is {', '.join(FAULTS)}")
    known = _parameters(fault)
    for key, value in parameters.items():
        if key not in known:
            there = ", ".join(known) or "no parameters"
            raise ValueError(f"fault {name} has no {key!r}; it has {there}")
        wanted = known[key][1]
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise ValueError(f"{key} of fault {name} must be {wanted.__name__}, not {value!r}")
    missing = [
        key for key, (one, _) in known.items() if one.default is one.empty and key not in parameters
    ]
    if missing:
        raise ValueError(f"fault {name} needs {', '.join(missing)}")
    return await fault(station, **parameters) or {}


def _parameters(fault: Fault) -> dict[str, tuple[inspect.Parameter, type]]:
    types = get_type_hints(fault, localns={"Station": object})
    return {
        name: (one, types[name])
        for name, one in inspect.signature(fault).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _find_network(station: Station) -> None:
    if station.powered:
        station.connection.find_network()


def _link(station: Station) -> Link:
    if station.link is None:
        raise ValueError("the station is not connected")
    return station.link
