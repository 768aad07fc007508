"""What a station of OCPP 1.6 is asked and told when it has connected.

Reads its configuration, changes only what differs and was not refused before, and has
it tell its present state, so that the site is right again soon after a restart.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from ...base import CanRefresh, Failure, StationError
from ..asker import Asker
from ..learned import RateUnit
from ..schema import Payload
from ..station import MAX_EVSES, OcppStation

CONNECTORS = "NumberOfConnectors"
PROFILES = "SupportedFeatureProfiles"
RATE_UNITS = "ChargingScheduleAllowedChargingRateUnit"
SAMPLE_INTERVAL = "MeterValueSampleInterval"
SAMPLED_DATA = "MeterValuesSampledData"
KEYS = (CONNECTORS, PROFILES, RATE_UNITS, SAMPLE_INTERVAL, SAMPLED_DATA)

NEEDED = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import")
WANTED = (*NEEDED, "Voltage")

# A setting lives in flash memory, so a station is told the same thing twice at most.
MAX_TRIES = 2

type Ask = Callable[[str, Payload], Awaitable[Payload]]


@dataclass(frozen=True, slots=True)
class Setting:
    """A configuration key as the station tells it."""

    value: str
    readonly: bool


async def read_settings(ask: Ask, keys: tuple[str, ...]) -> dict[str, Setting]:
    """Return the settings that the station knows. Raises `StationError`."""
    answer = await ask("GetConfiguration", {"key": list(keys)})
    return {
        entry["key"]: Setting(entry.get("value", ""), entry["readonly"])
        for entry in answer.get("configurationKey", ())
    }


def evses_of(settings: Mapping[str, Setting]) -> int | None:
    """Return the number of connectors, if it is told and makes sense."""
    text = settings[CONNECTORS].value.strip() if CONNECTORS in settings else ""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
    return number if 0 < number <= MAX_EVSES else None


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
            _only_refusals(err)
            settings = {}
        self._learn(settings)
        await self._want(settings, SAMPLE_INTERVAL, str(self._sample_interval_s))
        await self._want_measurands(settings)
        await self._trigger_all()

    def _learn(self, settings: Mapping[str, Setting]) -> None:
        station = self._station
        station.expect_evses(evses_of(settings) or 1)
        if PROFILES in settings and "RemoteTrigger" not in _items(settings[PROFILES]):
            station.lacks.add(CanRefresh)
        if RATE_UNITS in settings:
            match {unit.lower() for unit in _items(settings[RATE_UNITS])}:
                case units if units & {"current", "a"} and not units & {"power", "w"}:
                    station.learned.unit = RateUnit.AMPERE
                case units if units & {"power", "w"} and not units & {"current", "a"}:
                    station.learned.unit = RateUnit.WATT

    async def _want_measurands(self, settings: dict[str, Setting]) -> None:
        """Have the meter values that are needed, as far as the station can give them."""
        setting = settings.get(SAMPLED_DATA)
        if setting is None or setting.value == self._station.learned.settled_measurands:
            return
        if set(NEEDED) <= {_measurand(item) for item in _items(setting)}:
            return
        if await self._want(settings, SAMPLED_DATA, ",".join(WANTED)):
            return
        taken = [one for one in WANTED if await self._want(settings, SAMPLED_DATA, one)]
        # Trying has left it at the last one taken: all of them, or else the register.
        for value in (",".join(taken), *taken[:1]):
            if await self._want(settings, SAMPLED_DATA, value):
                self._station.learned.settled_measurands = value
                return

    async def _want(self, settings: dict[str, Setting], key: str, value: str) -> bool:
        """Change a setting where it differs; returns whether the station has the value now."""
        setting = settings.get(key)
        if setting is None or setting.readonly or not value:
            return False
        if setting.value == value:
            return True
        tries = self._station.learned.tries
        if tries[key, value] >= MAX_TRIES:
            return False
        # Counted before, not after: a station may crash on it, or take it and not keep it.
        tries[key, value] += 1
        try:
            answer = await self._asker.ask("ChangeConfiguration", {"key": key, "value": value})
        except StationError as err:
            _only_refusals(err)
            answer = {"status": err.detail}
        if answer["status"] not in ("Accepted", "RebootRequired"):
            tries[key, value] = MAX_TRIES
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
            try:
                await self._asker.trigger(message, connector)
            except StationError as err:
                _only_refusals(err)


def _items(setting: Setting) -> list[str]:
    return [item.strip() for item in setting.value.split(",") if item.strip()]


def _measurand(item: str) -> str:
    """Return the measurand of an item, which may have a phase at its end."""
    return next((one for one in WANTED if item == one or item.startswith(f"{one}.L")), item)


def _only_refusals(err: StationError) -> None:
    """Go on after a refusal only: a station that is gone or deaf is not asked more."""
    if err.failure not in (Failure.REFUSED, Failure.NOT_SUPPORTED):
        raise err
