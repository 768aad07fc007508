"""Modbus units of connections that Home Assistant shares between its integrations."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from homeassistant.components.modbus import async_get_temporary_unit
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from modbus_connection import ModbusUnit

from ..declarative.link import LinkError, LinkFault
from .address import ModbusAddress
from .link import Units


def shared_units(hass: HomeAssistant, address: ModbusAddress) -> Units:
    """Return what gives the units at an address, each until its context ends.

    Many boxes talk to one client only, so the connection is shared with every other user of the
    address, and closed behind the last. A unit raises `LinkError` (busy) if others use the
    address with other settings: one line cannot have both.
    """

    @asynccontextmanager
    async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
        async with AsyncExitStack() as stack:
            held = async_get_temporary_unit(hass, address.params, unit_id)
            try:
                given = await stack.enter_async_context(held)
            except HomeAssistantError as err:
                raise LinkError(LinkFault.BUSY, str(err)) from err
            yield given

    return unit
