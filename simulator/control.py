"""The control interface: HTTP with JSON on 127.0.0.1, for scripts, tests and people.

Every answer is a JSON object. A request that makes no sense is answered 400 with `{"error": ...}`,
which says what would be possible. The paths are listed in `simulator`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
import json
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from .cars import CARS
from .clock import Clock
from .faults import describe
from .modbus import ModbusStation
from .mqtt import MqttStation
from .ocpp16 import Ocpp16Station
from .ocpp201 import Ocpp201Station

_LOCAL = "127.0.0.1"

type Answer = dict[str, Any]
type Station = Ocpp16Station | Ocpp201Station | ModbusStation | MqttStation


class _RequestError(ValueError):
    """A request that makes no sense."""


class _Request:
    """The body of a request, read field by field."""

    def __init__(self, body: object) -> None:
        if not isinstance(body, dict):
            raise _RequestError("the body must be a JSON object")
        self._rest: Answer = dict(body)

    def take[T](self, name: str, kind: type[T], default: T | None = None) -> T:
        """Return a field; ValueError if it is missing without a default, or of another kind."""
        if name not in self._rest:
            if default is None:
                raise _RequestError(f"{name} is missing ({kind.__name__})")
            return default
        value = self._rest.pop(name)
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _RequestError(f"{name} must be {kind.__name__}, not {value!r}")
        return value

    def has(self, name: str) -> bool:
        return name in self._rest

    def rest(self) -> dict[str, Any]:
        """Return the fields that nobody has taken."""
        return self._rest

    def end(self) -> None:
        """ValueError if there is a field that nobody knows."""
        if self._rest:
            raise _RequestError(f"unknown: {', '.join(self._rest)}")


class ControlServer:
    """Serves the control interface for some stations."""

    def __init__(
        self,
        stations: Mapping[str, Station],
        clock: Clock,
        *,
        port: int = 0,
        host: str = _LOCAL,
    ) -> None:
        """ValueError unless the host is 127.0.0.1: whoever reaches this may do anything."""
        if host != _LOCAL:
            raise ValueError(f"the control interface is for {_LOCAL} only, not {host}")
        self._stations = stations
        self._clock = clock
        self.port = port
        """Where it listens; 0 before `start` means any free port."""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; OSError if the port is taken."""
        app = web.Application(middlewares=[_guard])
        for path, handler in (
            ("/plug", self._plug),
            ("/unplug", self._unplug),
            ("/tap", self._tap),
            ("/wake", self._wake),
            ("/fault", self._fault),
            ("/speed", self._speed),
        ):
            app.router.add_post(path, _posted(handler))
        for path, answer in (
            ("/state", self._state),
            ("/books", self._books),
            ("/cars", lambda: {name: asdict(model) for name, model in CARS.items()}),
            ("/faults", describe),
        ):
            app.router.add_get(path, _asked(answer))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _LOCAL, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def _station(self, request: _Request) -> Station:
        """Return the station that is meant; it need not be named if there is one only."""
        only = next(iter(self._stations)) if len(self._stations) == 1 else None
        name = request.take("station", str, only)
        if name not in self._stations:
            raise ValueError(f"no station {name!r}; there is {', '.join(self._stations)}")
        return self._stations[name]

    async def _plug(self, request: _Request) -> Answer:
        station = self._station(request)
        connector = request.take("connector", int, 1)
        car = request.take("car", str, "family")
        soc, target = request.take("soc", float, 0.3), request.take("target_soc", float, 1.0)
        request.end()
        await station.plug(connector, car, soc=soc, target_soc=target)
        return station.state()

    async def _unplug(self, request: _Request) -> Answer:
        station, connector = self._station(request), request.take("connector", int, 1)
        request.end()
        await station.unplug(connector)
        return station.state()

    async def _tap(self, request: _Request) -> Answer:
        station, card = self._station(request), request.take("card", str)
        connector = request.take("connector", int) if request.has("connector") else None
        request.end()
        return {"result": await station.tap(card, connector)}

    async def _wake(self, request: _Request) -> Answer:
        station, connector = self._station(request), request.take("connector", int, 1)
        request.end()
        await station.wake(connector)
        return station.state()

    async def _fault(self, request: _Request) -> Answer:
        station, name = self._station(request), request.take("fault", str)
        return await station.fault(name, **request.rest())

    async def _speed(self, request: _Request) -> Answer:
        speed = request.take("speed", float)
        request.end()
        self._clock.speed = speed
        return {"speed": speed}

    def _state(self) -> Answer:
        stations = {name: station.state() for name, station in self._stations.items()}
        return {"speed": self._clock.speed, "stations": stations}

    def _books(self) -> Answer:
        return {
            "stations": {name: station.books.as_dict() for name, station in self._stations.items()}
        }


def _posted(
    handler: Callable[[_Request], Awaitable[Answer]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(await handler(_Request(await request.json())))
        except (ValueError, ConnectionError) as err:
            return _bad(str(err))

    return handle


def _asked(answer: Callable[[], Answer]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(answer())

    return handle


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what a page in a browser could send, and answer 404 and 405 in JSON too."""
    if request.host.partition(":")[0] not in (_LOCAL, "localhost"):
        return _bad("wrong host", 403)
    if request.method == "POST" and request.content_type != "application/json":
        return _bad("the body must be application/json")
    try:
        return await handler(request)
    except web.HTTPException as err:
        paths = sorted({route.canonical for route in request.app.router.resources()})
        return _bad(f"{err.reason}; there is {', '.join(paths)}", err.status)


def _bad(error: str, status: int = 400) -> web.Response:
    return web.Response(
        text=json.dumps({"error": error}), status=status, content_type="application/json"
    )
