"""Brings a wallbox that speaks JSON to Forecourt. In the YAML: `forecourt_example: {url: ...}`."""

import asyncio
import logging

from aiohttp import ClientError
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.dt import utcnow

from custom_components.forecourt import plugin as fc

INFO = fc.StationInfo(id="EXAMPLE", protocol="example", vendor="Example", model="JSON wallbox")
EVSE = fc.EvseId(INFO.id, 1)


async def async_setup(hass, config):
    url = config["forecourt_example"]["url"]
    fc.async_offer_station(hass, INFO, lambda site: Wallbox(hass, url, site))
    return True


class Wallbox:
    info, online, fallback_current_a, _charge = INFO, False, 0, None  # 0: by itself it pauses

    def __init__(self, hass, url, site):
        self._http, self._url, self._site = async_get_clientsession(hass), url, site
        self._task = hass.async_create_background_task(self._run(), INFO.id)

    def supports(self, capability):
        return capability in (fc.CanStart, fc.CanStop)

    async def apply(self, setpoint):
        await self._limit(setpoint.current_a)

    async def start(self, evse, token):
        if not self._told["plugged"]:
            raise fc.StationError(INFO.id, fc.Failure.REFUSED, "no car is plugged in")
        start = {"at": utcnow(), "meter_start_wh": self._told["energy_wh"]}
        start["reference"] = f"{self._told['plug_in']} {utcnow()}"  # which car, and which charge
        begun = fc.TransactionStart(evse=evse, token=token, **start)
        self._charge = (await self._site.transaction_started(begun)).transaction_id

    async def stop(self, transaction_id):
        end = {"at": utcnow(), "meter_stop_wh": self._told["energy_wh"]}
        ended = fc.TransactionEnd(station_id=INFO.id, transaction_id=transaction_id, **end)
        await self._site.transaction_ended(ended)  # from now on nobody allows it anything
        await self._limit(0)

    async def close(self):
        self._task.cancel()

    async def _limit(self, current_a):
        try:
            await self._http.post(self._url, json={"limit_a": current_a}, raise_for_status=True)
        except ClientError as error:
            raise fc.StationError(INFO.id, fc.Failure.TIMEOUT) from error

    async def _run(self):
        while True:
            try:
                self._told, self.online = await (await self._http.get(self._url)).json(), True
                await self._report(self._told)
            except ClientError, TimeoutError, fc.StationError:
                self.online = False
            except Exception:
                logging.getLogger(__name__).exception("Trying again")
            self._site.station_changed(self)
            await asyncio.sleep(1)

    async def _report(self, told):
        reading = fc.Reading(at=utcnow(), register_wh=told["energy_wh"], power_w=told["power_w"])
        self._charge = await self._site.report(EVSE, (reading,), self._charge)  # if it runs
        name = await self._site.reference(self._charge) if self._charge else told["plug_in"]
        plugged = told["plugged"] and name.split()[0] == told["plug_in"]
        state = "available" if not plugged else "charging" if self._charge else "preparing"
        await self._site.status_changed(EVSE, fc.EvseStatus(state), utcnow())
        if self._charge is None:
            await self._limit(0)  # nobody is let in
        elif not plugged:
            await self.stop(self._charge)
