"""What a station of OCPP 1.6 is asked and told when it has connected.

Reads its configuration, changes only what differs and was not told before, and has it
tell its present state, so that the site is right again soon after a restart.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from ...base import (
    CanHoldTokens,
    CanRefresh,
    CanReserve,
    StationError,
)
from ..asker import Asker
from ..foreign import ACTION, clear_foreign
from ..learned import RateUnit
from ..local_list import ListLimits
from ..settling import only_refusals, settle_list, tell_once
from ..station import OcppStation
from .profiles import clearing
from .settings import (
    KEYS,
    LIST_ENTRIES,
    LIST_ITEMS,
    MEASURANDS,
    PROFILES,
    RATE_UNITS,
    SAMPLE_INTERVAL,
    SAMPLED_DATA,
    WANTED,
    Setting,
    evses_of,
    items_of,
    measures_enough,
    read_settings,
)

# The feature profiles (OCPP 1.6 §3.3) without which a station lacks a capability.
PROFILE_OF: dict[type, str] = {
    CanHoldTokens: "LocalAuthListManagement",
    CanRefresh: "RemoteTrigger",
    CanReserve: "Reservation",
}


class Setup:
    """Sets a station up, once per connection."""

    def __init__(self, asker: Asker, station: OcppStation, sample_interval_s: int) -> None:
        self._asker = asker
        self._station = station
        self._sample_interval_s = sample_interval_s

    async def run(self) -> None:
        """Do it all; raises `StationError` where the station is gone or deaf."""
        try:
            settings = await read_settings(self._asker.ask, KEYS)
        except StationError as err:
            only_refusals(err)
            self._station.logger.warning("Nothing can be set in %s", err)
            settings = {}
        self._learn(settings)
        await self._want(settings, SAMPLE_INTERVAL, str(self._sample_interval_s))
        await self._want_measurands(settings)
        for wanted in WANTED:
            if wanted.key in settings and not wanted.met_by(settings[wanted.key].value):
                await self._want(settings, wanted.key, wanted.value)
        self._station.settings = {key: setting.value for key, setting in settings.items()}
        await self._trigger_all()
        await clear_foreign(self._station, self._clear)
        self._station.learned.doubt_fallback(self._station.limiter.now())

    async def _clear(self, purpose: str) -> str:
        return str((await self._asker.ask(ACTION, clearing(purpose)))["status"])

    def _learn(self, settings: Mapping[str, Setting]) -> None:
        station = self._station
        if (evses := evses_of(settings)) is not None:
            station.learn_evses(evses)
        if PROFILES in settings:
            profiles = items_of(settings[PROFILES])
            station.lacks.update(
                capability for capability, name in PROFILE_OF.items() if name not in profiles
            )
        told = {key: setting.value for key, setting in settings.items()}
        station.list_limits = ListLimits.told(told.get(LIST_ITEMS), told.get(LIST_ENTRIES))
        if RATE_UNITS in settings:
            match {unit.lower() for unit in items_of(settings[RATE_UNITS])}:
                case units if units & {"current", "a"} and not units & {"power", "w"}:
                    station.learned.unit = RateUnit.AMPERE
                case units if units & {"power", "w"} and not units & {"current", "a"}:
                    station.learned.unit = RateUnit.WATT

    async def _want_measurands(self, settings: dict[str, Setting]) -> None:
        """Have the meter values that are needed, as far as the station can give them."""
        setting, learned = settings.get(SAMPLED_DATA), self._station.learned
        if setting is None or setting.value == learned.settled_measurands:
            return
        for quirk in self._station.quirks:
            if quirk.measurands is not None:
                await self._want(settings, SAMPLED_DATA, ",".join(quirk.measurands))
                return
        if measures_enough(setting):
            return
        settled = await settle_list(MEASURANDS, partial(self._want, settings, SAMPLED_DATA))
        learned.settled_measurands = settled or learned.settled_measurands

    async def _want(
        self, settings: dict[str, Setting], key: str, value: str, *, again: bool = False
    ) -> bool:
        """Change a setting where it differs; returns whether the station has the value now.

        `again`: although it was written before, to get back to it.
        """
        setting = settings.get(key)
        if setting is None or setting.readonly or not value:
            return False
        if setting.value == value:
            return True

        async def change() -> str:
            answer = await self._asker.ask("ChangeConfiguration", {"key": key, "value": value})
            return str(answer["status"])

        status = await tell_once(self._station.tries, key, value, change, again=again)
        if status not in ("Accepted", "RebootRequired"):
            return False
        settings[key] = replace(setting, value=value)
        return True

    async def _trigger_all(self) -> None:
        info = self._station.info
        wanted: list[tuple[str, int | None]] = [
            ("StatusNotification", number) for number in range(1, info.evses + 1)
        ]
        if info.model is None:
            wanted.insert(0, ("BootNotification", None))
        for message, connector in wanted:
            if not self._station.supports(CanRefresh):
                return
            if any(message in quirk.untriggered for quirk in self._station.quirks):
                continue
            try:
                await self._asker.trigger(message, connector)
            except StationError as err:
                only_refusals(err)
