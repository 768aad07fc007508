"""A synchronous client of the control interface, standard library only."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener


class ControlError(ValueError):
    """The simulator could not make sense of a request; the text says what is possible."""


class ControlClient:
    """Talks to the simulator that listens on a port of this machine."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        """Remember the port; nothing is sent yet."""
        self._base = f"http://127.0.0.1:{port}"
        self._timeout = timeout
        self._opener = build_opener(ProxyHandler({}))

    def plug(
        self, car: str = "family", *, station: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Plug a car in (connector, soc, target_soc) and return the station's state."""
        return self._post("/plug", station, car=car, **fields)

    def unplug(self, connector: int = 1, *, station: str | None = None) -> dict[str, Any]:
        """Plug the car out and return the station's state."""
        return self._post("/unplug", station, connector=connector)

    def tap(self, card: str, connector: int | None = None, *, station: str | None = None) -> str:
        """Hold a card to the reader and return what it led to."""
        fields = {} if connector is None else {"connector": connector}
        return str(self._post("/tap", station, card=card, **fields)["result"])

    def wake(self, connector: int = 1, *, station: str | None = None) -> dict[str, Any]:
        """Toggle the control pilot and return the station's state."""
        return self._post("/wake", station, connector=connector)

    def fault(self, fault: str, *, station: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Do a fault and return what it led to."""
        return self._post("/fault", station, fault=fault, **parameters)

    def speed(self, speed: float) -> None:
        """Set how many plant seconds pass in a wall second."""
        self._post("/speed", None, speed=speed)

    def state(self) -> dict[str, Any]:
        """Return the state of every station, by identity."""
        return dict(self._send("/state", None)["stations"])

    def books(self) -> dict[str, Any]:
        """Return the books of every station, by identity."""
        return dict(self._send("/books", None)["stations"])

    def cars(self) -> dict[str, Any]:
        """Return the catalogue of cars."""
        return self._send("/cars", None)

    def faults(self) -> dict[str, Any]:
        """Return every fault with its parameters."""
        return self._send("/faults", None)

    def wait_for(
        self, station: str, timeout: float = 10.0, connector: int = 1, **wanted: Any
    ) -> None:
        """Wait until fields of a station or connector have these values; TimeoutError if not."""
        end = time.monotonic() + timeout
        while True:
            state = self.state()[station]
            fields = {**state, **state["connectors"][connector - 1]}
            if all(fields[name] == value for name, value in wanted.items()):
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{wanted} did not come within {timeout} s: {state}")
            time.sleep(0.05)

    def _post(self, path: str, station: str | None, **fields: Any) -> dict[str, Any]:
        if station is not None:
            fields["station"] = station
        return self._send(path, fields)

    def _send(self, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._base + path, data, {"Content-Type": "application/json"})  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return dict(json.load(answer))
        except HTTPError as err:
            with err:
                raise ControlError(str(json.load(err)["error"])) from None
