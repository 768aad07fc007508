"""Brings a wallbox that speaks JSON to Forecourt. In the YAML: `forecourt_example: {url: ...}`."""

import asyncio

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
    info, online, fallback_current_a = INFO, False, 0  # it pauses if it is told nothing

    def __init__(self, hass, url, site):
        self._http, self._url, self._site = async_get_clientsession(hass), url, site
        self._charge, self._told = None, {}
        self._task = hass.async_create_background_task(self._run(), INFO.id)

    def supports(self, capability):
        return capability in (fc.CanStart, fc.CanStop)

    async def apply(self, setpoint):
        await self._limit(setpoint.current_a)

    async def start(self, evse, token):
        start = fc.TransactionStart(
            evse=evse, token=token, at=utcnow(), meter_start_wh=self._told["energy_wh"],
            reference=self._told["plug_in"],
        )  # fmt: skip
        self._charge = (await self._site.transaction_started(start)).transaction_id

    async def stop(self, transaction_id):
        self._charge, end = None, fc.TransactionEnd(
            station_id=INFO.id, transaction_id=transaction_id, at=utcnow(),
            meter_stop_wh=self._told["energy_wh"],
        )  # fmt: skip
        await self._site.transaction_ended(end)

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
                await self._report(self._told["plugged"])
            except ClientError, fc.StationError:
                self.online = False
            self._site.station_changed(self)
            await asyncio.sleep(1)

    async def _report(self, plugged):
        if self._charge is None and plugged:  # one that began before a restart goes on
            self._charge = await self._site.transaction_id(INFO.id, self._told["plug_in"])
        if self._charge is None:
            await self._limit(0)  # nobody is let in yet
        status = fc.EvseStatus.CHARGING if self._charge else fc.EvseStatus.PREPARING
        status = status if plugged else fc.EvseStatus.AVAILABLE
        await self._site.status_changed(EVSE, status, utcnow())
        told = self._told
        reading = fc.Reading(at=utcnow(), register_wh=told["energy_wh"], power_w=told["power_w"])
        await self._site.report(EVSE, (reading,), self._charge)
        if self._charge is not None and not plugged:
            await self.stop(self._charge)
