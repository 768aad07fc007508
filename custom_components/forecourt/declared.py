"""Runs the stations that a profile describes: by Modbus, by MQTT, or over entities."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
import logging
from pathlib import Path
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import (
    CONF_BOX,
    CONF_EVSES,
    CONF_FALLBACK_CURRENT_A,
    CONF_LINK,
    CONF_PROFILE,
    CONF_STATION_ID,
    DOMAIN,
    SUBENTRY_STATION,
)
from .core.model.token import Access
from .devices import forget_box
from .own_profiles import OwnProfiles
from .site.site import Site
from .stations.declarative.library import Library
from .stations.declarative.link import Link, LinkError, LinkFault
from .stations.declarative.memory import Memory
from .stations.declarative.profile import (
    ENTITIES,
    MODBUS,
    ModbusTransport,
    MqttTransport,
    Profile,
    Role,
    Scalar,
)
from .stations.declarative.station import DeclarativeStation
from .stations.declarative.tree import ProfileError
from .stations.entities.by_hand import entities_profile
from .stations.entities.ha import EntitiesLink, device_profile
from .stations.modbus.address import ModbusAddress
from .stations.modbus.ha import shared_units
from .stations.modbus.link import ModbusLink
from .stations.mqtt.broker import Broker
from .stations.mqtt.generic import generic_profile
from .stations.mqtt.ha import HomeAssistantBroker
from .stations.mqtt.link import MqttLink
from .stations.mqtt.own_broker import Address, OwnBroker, Tls
from .vault import BrokerAccess

_LOGGER = logging.getLogger(__name__)

CONF_ANSWERS = "answers"
CONF_BOX_ID = "box_id"
CONF_ENTITIES = "entities"
CONF_KIND = "kind"
CONF_PREFIX = "prefix"
CONF_UNIT = "unit"

VERSION = 1
SAVE_DELAY_S = 0.0
"""At once: a station tells only what a power cut may not take away, a proof or a charge."""

GRACE_S = 5.0
"""How long a request may take that is under way when the site stops."""
ISSUE_PROFILE = "profile_unusable"

type LinkData = dict[str, Any]
"""Where a box is: of Modbus `host`, `port`, `unit`, `kind`; of MQTT `box_id`, `prefix`
where its topics begin elsewhere than usual, and `host` and `port` of a broker of its own; of
entities `device_id`."""


def box_of(subentry: ConfigSubentry) -> str:
    """Return which box a station is now: the one it was added with, or that took its place."""
    box: str = subentry.data.get(CONF_BOX, subentry.data[CONF_STATION_ID])
    return box


def profiles_folder(hass: HomeAssistant) -> Path:
    """Return where users keep profiles of their own."""
    return Path(hass.config.path(DOMAIN, "profiles"))


def _store(hass: HomeAssistant) -> Store[dict[str, Any]]:
    return Store(hass, VERSION, f"{DOMAIN}.boxes", private=True, atomic_writes=True)


async def forget_boxes(hass: HomeAssistant) -> None:
    """Delete what all boxes remembered: the site goes."""
    await _store(hass).async_remove()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a box told when it was looked at; `None` for what it does not tell."""

    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    energy_kwh: float | None = None
    max_current_a: int | None = None


def broker_address(data: LinkData, access: BrokerAccess) -> Address:
    """Return where the broker of a box is, and who we are to it."""
    tls = Tls(
        authorities=access.get("authorities"),
        certificate=access.get("certificate"),
        key=access.get("key"),
        # A box does not know by which name or address it is reached.
        check_name=False,
    )
    return Address(
        host=data[CONF_HOST],
        port=data[CONF_PORT],
        username=access.get("username"),
        password=access.get("password"),
        tls=tls if access.get("tls") else None,
    )


async def look_at(
    hass: HomeAssistant, profile: Profile, data: LinkData, access: BrokerAccess | None = None
) -> Box:
    """Read a box once, and let go of it. Raises `LinkError`."""
    if _brings_broker(profile):
        async with OwnBroker(broker_address(data, access or {})) as broker:
            # A link would only say that nothing was told, this says why.
            await broker.wait_connected()
    async with AsyncExitStack() as stack:
        link = await _make_link(hass, profile, data, stack, access or {})
        await link.open()
        stack.push_async_callback(link.close)
        sample = await link.read(slow=True)
    told = {**sample.outlets.get(1, {}), **sample.station}
    if not any(role in told for role in (Role.STATUS, Role.PLUGGED, Role.CHARGING)):
        raise LinkError(LinkFault.WRONG_MODEL, "it does not tell whether a car is there")
    energy, most = told.get(Role.ENERGY_WH), told.get(Role.MAX_CURRENT_A)
    return Box(
        vendor=_text(told.get(Role.VENDOR)),
        model=_text(told.get(Role.MODEL)),
        serial=_text(told.get(Role.SERIAL)),
        firmware=_text(told.get(Role.FIRMWARE)),
        energy_kwh=float(energy) / 1000 if isinstance(energy, int | float) else None,
        max_current_a=int(most) if isinstance(most, int | float) else None,
    )


def _find_profile(library: Library, profile_id: str, data: LinkData) -> Profile:
    """Return the profile of a station, also one that its user filled in. Reads files."""
    if CONF_ANSWERS in data:
        return generic_profile(data[CONF_ANSWERS])
    if CONF_ENTITIES in data:
        return entities_profile(data[CONF_ENTITIES])
    return library.get(profile_id)


def _text(value: Scalar | None) -> str | None:
    return str(value).strip() or None if value is not None else None


async def _make_link(
    hass: HomeAssistant,
    profile: Profile,
    data: LinkData,
    stack: AsyncExitStack,
    access: BrokerAccess,
    *,
    outlets: int | None = None,
) -> Link:
    """Return the link that the data describe; what it stands on is let go with the stack."""
    outlets = outlets or profile.connectors
    if profile.protocol == ENTITIES:
        return EntitiesLink(hass, profile)
    if profile.protocol == MODBUS:
        return _modbus_link(hass, profile, data, outlets)
    broker: Broker
    if _brings_broker(profile):
        broker = await stack.enter_async_context(OwnBroker(broker_address(data, access)))
    else:
        ours = HomeAssistantBroker(hass)
        await ours.wait_ready()
        broker = ours
    return MqttLink(
        profile, broker, data[CONF_BOX_ID], prefix=data.get(CONF_PREFIX), outlets=outlets
    )


def _brings_broker(profile: Profile) -> bool:
    return isinstance(profile.transport, MqttTransport) and profile.transport.own_broker


def _modbus_link(hass: HomeAssistant, profile: Profile, data: LinkData, outlets: int) -> ModbusLink:
    transport = profile.transport
    if not isinstance(transport, ModbusTransport):
        raise TypeError(f"the profile {profile.id} is not for Modbus")
    address = ModbusAddress(
        host=data[CONF_HOST],
        kind=data[CONF_KIND],
        port=data[CONF_PORT],
        baudrate=transport.baudrate,
        parity=transport.parity,  # type: ignore[arg-type]
        stopbits=transport.stopbits,  # type: ignore[arg-type]
    )
    # The owner may have given the box another unit id than it came with.
    there = replace(profile, transport=replace(transport, unit=data[CONF_UNIT]))
    return ModbusLink(there, shared_units(hass, address), outlets=outlets)


@dataclass(slots=True)
class _Running:
    """A station, its polling, and what its link stands on."""

    station: DeclarativeStation
    profile_id: str
    settings: tuple[Any, ...]
    stack: AsyncExitStack
    task: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        if self.task is not None:
            # A request that is cancelled leaves its answer behind on a line that others use too.
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_S):
                    await self.station.settled()
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.station.close()
        await self.stack.aclose()


class DeclaredStations:
    """The declared stations of a site, each polled by a task of its own."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        site: Site,
        library: Library,
        anew: Callable[[ConfigSubentry], Coroutine[Any, Any, None]],
        *,
        access: Callable[[str], BrokerAccess],
    ) -> None:
        """Begin with none; `load` comes first.

        `access` returns who we are to the broker of a station.
        `anew` is awaited for the subentry of a station whose profile changed.
        """
        self._hass = hass
        self._entry = entry
        self._site = site
        self._library = library
        self._anew = anew
        self._access = access
        self._running: dict[str, _Running] = {}
        self._is_open = False
        # Private, since a running charge is remembered with the card that began it.
        self._store = _store(hass)
        self._kept: dict[str, Any] = {}
        self._turn = asyncio.Lock()
        self._own_profiles = OwnProfiles(
            hass,
            entry,
            library,
            profiles_folder(hass),
            in_use=lambda: {one.profile_id for one in self._running.values()},
            changed=self._profiles_changed,
        )

    async def load(self) -> None:
        """Read what the stations remember."""
        self._kept = await self._store.async_load() or {}

    def station(self, station_id: str) -> DeclarativeStation | None:
        """Return a running station."""
        running = self._running.get(station_id)
        return running.station if running else None

    async def sync(
        self, subentry: ConfigSubentry, added: Callable[[DeclarativeStation], None]
    ) -> None:
        """Run the station of a subentry, anew where its link or its profile changed.

        `added` takes it into the site, before it tells anything. A profile that is missing or
        wrong is a repair issue, and the station stays away; one that runs goes on with the
        profile as it was.
        """
        async with self._turn:
            await self._sync(subentry, added)

    async def _sync(
        self, subentry: ConfigSubentry, added: Callable[[DeclarativeStation], None]
    ) -> None:
        station_id: str = subentry.data[CONF_STATION_ID]
        box = box_of(subentry)
        if self._box(station_id) != box:
            await self._stop(station_id)
            await self._replaced(station_id, box)
        if (profile := await self._profile(station_id, subentry)) is None:
            await self._stop(station_id)
            return
        outlets: int = subentry.data[CONF_EVSES]
        fallback_a: int = subentry.data[CONF_FALLBACK_CURRENT_A]
        access = self._access(station_id)
        settings = (profile, dict(subentry.data[CONF_LINK]), outlets, fallback_a, access)
        running = self._running.get(station_id)
        if running is not None and running.settings == settings:
            added(running.station)
            return
        await self._stop(station_id)
        memory = Memory.from_json(self._kept.get(station_id))
        if running is not None and running.station.profile.orders != profile.orders:
            # What the control test showed was about other orders.
            memory = replace(memory, proven=False)
        stack = AsyncExitStack()
        try:
            link = await _make_link(
                self._hass,
                profile,
                dict(subentry.data[CONF_LINK]),
                stack,
                access,
                outlets=outlets,
            )
        except LinkError as error:
            await stack.aclose()
            self._unusable(station_id, str(error))
            return
        station = DeclarativeStation(
            station_id,
            profile,
            link,
            self._site,
            now=dt_util.utcnow,
            evses=outlets,
            fallback_current_a=fallback_a,
            memory=memory,
            on_memory=self._keep,
            open_to_all=lambda: self._site.settings.access is Access.ANYONE,
            address=subentry.data[CONF_LINK].get(CONF_HOST),
        )
        added(station)
        self._running[station_id] = _Running(station, subentry.data[CONF_PROFILE], settings, stack)
        if self._is_open:
            self._run(self._running[station_id])

    @callback
    def open(self) -> None:
        """Begin to poll: from now on there are entities for what the boxes tell."""
        self._is_open = True
        for running in self._running.values():
            self._run(running)
        self._own_profiles.open()

    @callback
    def _run(self, running: _Running) -> None:
        name = f"{DOMAIN} {running.station.info.id}"
        running.task = self._entry.async_create_background_task(
            self._hass, running.station.run(), name
        )

    async def remove(self, station_id: str) -> None:
        """Let a station go, in its safe state, with what it remembered."""
        async with self._turn:
            await self._stop(station_id)
        ir.async_delete_issue(self._hass, DOMAIN, f"{ISSUE_PROFILE}_{station_id}")
        if self._kept.pop(station_id, None) is not None:
            await self._store.async_save(self._kept)

    async def stop(self) -> None:
        """Leave all boxes in their safe states; may be called twice."""
        await self._own_profiles.close()
        running, self._running = self._running, {}
        await asyncio.gather(*(one.stop() for one in running.values()))
        for station_id, one in running.items():
            self._remember(station_id, one.station.memory)
        if running:
            await self._store.async_save(self._kept)

    async def _profiles_changed(self, changed: frozenset[str]) -> None:
        """Serve the stations anew whose profile changed."""
        for subentry in self._entry.get_subentries_of_type(SUBENTRY_STATION):
            if subentry.data.get(CONF_PROFILE) in changed:
                await self._anew(subentry)

    def _box(self, station_id: str) -> str:
        """Return which box is remembered of those that were there one after the other."""
        box: str = self._kept.get(station_id, {}).get(CONF_BOX, station_id)
        return box

    async def _replaced(self, station_id: str, box: str) -> None:
        """Take note that there is another box: nothing of the old one holds for it."""
        await self._site.replace_station(station_id)
        forget_box(self._hass, station_id)
        self._kept[station_id] = {**Memory().to_json(), CONF_BOX: box}
        await self._store.async_save(self._kept)

    def _remember(self, station_id: str, memory: Memory) -> None:
        self._kept[station_id] = {**memory.to_json(), CONF_BOX: self._box(station_id)}

    async def _stop(self, station_id: str) -> None:
        if (running := self._running.pop(station_id, None)) is not None:
            await running.stop()
            self._remember(station_id, running.station.memory)
            self._store.async_delay_save(lambda: self._kept, SAVE_DELAY_S)

    async def _profile(self, station_id: str, subentry: ConfigSubentry) -> Profile | None:
        profile_id: str = subentry.data[CONF_PROFILE]
        data: LinkData = dict(subentry.data[CONF_LINK])
        try:
            profile = await self._hass.async_add_executor_job(
                _find_profile, self._library, profile_id, data
            )
        except (KeyError, ProfileError) as error:
            running = self._running.get(station_id)
            if running is not None and running.profile_id == profile_id:
                return running.station.profile
            self._unusable(
                station_id, str(error) if isinstance(error, ProfileError) else profile_id
            )
            return None
        if profile.protocol == ENTITIES and CONF_ENTITIES not in data:
            known = await device_profile(self._hass, self._library, data[CONF_DEVICE_ID])
            if known is None:
                self._unusable(station_id, profile_id)
                return None
            profile = known
        ir.async_delete_issue(self._hass, DOMAIN, f"{ISSUE_PROFILE}_{station_id}")
        return profile

    @callback
    def _unusable(self, station_id: str, reason: str) -> None:
        _LOGGER.error("%s cannot be served: %s", station_id, reason)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{ISSUE_PROFILE}_{station_id}",
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=ISSUE_PROFILE,
            translation_placeholders={"station": station_id, "reason": reason},
        )

    @callback
    def _keep(self, station_id: str, memory: Memory) -> None:
        self._remember(station_id, memory)
        self._store.async_delay_save(lambda: self._kept, SAVE_DELAY_S)
