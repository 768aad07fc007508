"""The simulated wallboxes without OCPP: added, proven and charged at as their owner does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import newcomer
from .api import Api
from .broker import Broker
from .newcomer import SUBENTRIES, Dialog, DialogError
from .ports import MODBUS_PORT, claim_port
from .waiting import until
from .wallbox import Wallbox

type Json = Any

CONTROL_TEST = "forecourt.test_station"
START_SESSION = "forecourt.start_session"


@dataclass(slots=True)
class Box:
    """A wallbox that speaks `protocol`, under a name in Home Assistant.

    `where` is what its dialog asks for: first the model, then where it is.
    """

    name: str
    protocol: str
    profile: str
    where_step: str
    where: dict[str, Json]
    wallbox: Wallbox
    station_id: str = ""
    findings: list[Json] | None = None

    async def add(self, api: Api, entry: str) -> None:
        """Add it in the dialog, which looks at it before."""
        dialog = await Dialog.begin(api, SUBENTRIES, handler=[entry, "station"])
        dialog.expect("open")
        await dialog.progressed("open")
        await dialog.choose("connect", "other")
        await dialog.choose("other", self.protocol)
        await dialog.answer(self.protocol, profile=self.profile)
        await dialog.answer(self.where_step, **self.where)
        await dialog.answer("found", name=self.name, max_current_a=newcomer.MAX_CURRENT_A)
        dialog.expect("create_entry")

    async def prove(self, api: Api) -> None:
        """Show with a car that charges that it obeys; until then it is only read."""
        await until(lambda: self._seen_free(api), f"the status of {self.name}")
        await self.wallbox.plug()
        await until(
            lambda: self.session(api), f"the charge that nobody was let in for, {self.name}"
        )
        device = await self._device(api, of_outlet=False)
        told = await api.action(CONTROL_TEST, {"device_id": device}, answers=True)
        self.findings = told["findings"]
        wrong = [one for one in told["findings"] if one["outcome"] != "ok"]
        if wrong or not told["findings"]:
            raise DialogError(f"the control test of {self.name} found {told['findings']}")

    async def charge(self, api: Api, user: str) -> None:
        """Plug a car in and let a user charge, in the app."""
        await self.wallbox.plug()
        device = await self._device(api, of_outlet=True)
        await api.action(START_SESSION, {"device_id": device, "user": user})
        await self.wallbox.charges()
        await until(lambda: self.session(api), f"the session of {self.name}")

    async def leave(self, api: Api) -> None:
        """Pull the plug, and wait until the session is over."""
        await self.wallbox.unplug()

        async def over() -> bool | None:
            return await self.session(api) is None or None

        await until(over, f"the end of the session of {self.name}", 60)

    async def session(self, api: Api) -> Json:
        """Return its session that is open, `None` if there is none."""
        for one in await newcomer.sessions(api):
            if one["station"] == self.name:
                self.station_id = one["station_id"]
                if one["status"] == "open":
                    return one
        return None

    async def _seen_free(self, api: Api) -> bool | None:
        """Whether it has been read."""
        name = self.name.lower()
        for entity_id, state in (await api.states()).items():
            if entity_id.startswith(f"sensor.{name}_") and state["state"] == "available":
                return True
        return None

    async def _device(self, api: Api, *, of_outlet: bool) -> str:
        """Return the id of the device of its station, or of its outlet."""
        devices = await api.command("config/device_registry/list")
        [station] = [one for one in devices if self.name in (one["name"], one["name_by_user"])]
        if not of_outlet:
            return str(station["id"])
        [outlet] = [one for one in devices if one["parent_device_id"] == station["id"]]
        return str(outlet["id"])


class SilentBox(Wallbox):
    """A box that is asked: it does not dial, and has the pilot's state instead of a status."""

    async def charges(self) -> None:
        """Wait until the car charges."""
        await self.wait_for(state="C")


def keba(folder: Path, name: str, identity: str, speed: float) -> Box:
    """Return a KEBA that is asked by Modbus."""
    port = claim_port(MODBUS_PORT)
    options = ("--protocol", "modbus", "--box", "keba_p30", "--speed", str(speed))
    where = {"host": "127.0.0.1", "port": port, "unit": 255, "kind": "tcp"}
    return Box(
        *(name, "modbus", "keba_p30", "modbus_address", where),
        SilentBox(folder, identity, port, *options, "--port", str(port)),
    )


def goe(folder: Path, name: str, identity: str, speed: float, broker: Broker) -> Box:
    """Return a go-e that tells its state to the broker of the house; its identity is its serial."""
    options = ("--protocol", "mqtt", "--broker", broker.address, "--speed", str(speed))
    return Box(
        *(name, "mqtt", "go_e_mqtt", "mqtt_topics", {"box_id": identity}),
        SilentBox(folder, identity, broker.port, *options),
    )
