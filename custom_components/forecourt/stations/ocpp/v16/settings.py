"""The configuration of a station of OCPP 1.6: reading it, and what is wanted of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ...base import Failure, StationError
from ..schema import Payload
from ..station import MAX_EVSES

CONNECTORS = "NumberOfConnectors"
PROFILES = "SupportedFeatureProfiles"
RATE_UNITS = "ChargingScheduleAllowedChargingRateUnit"
SAMPLE_INTERVAL = "MeterValueSampleInterval"
SAMPLED_DATA = "MeterValuesSampledData"
LIST_ITEMS = "SendLocalListMaxLength"
LIST_ENTRIES = "LocalAuthListMaxLength"

NEEDED = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import")
MEASURANDS = (*NEEDED, "Voltage")

# How many keys are asked for at once, for a start.
MAX_KEYS = 20

type Ask = Callable[[str, Payload], Awaitable[Payload]]


@dataclass(frozen=True, slots=True)
class Setting:
    """A configuration key as the station tells it."""

    value: str
    readonly: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that a key shall have; `at_least`: or a greater number."""

    key: str
    value: str
    at_least: bool = False

    def met_by(self, value: str) -> bool:
        """Whether a value will do."""
        if self.at_least and value.strip().isdecimal():
            return int(value) >= int(self.value)
        return value.strip().casefold() == self.value.casefold()


WANTED = (
    # Only registered users charge: the site judges every card that is shown, a charge that
    # it refuses ends, and a station that is alone lets in whom its list names.
    Wanted("StopTransactionOnInvalidId", "true"),
    Wanted("LocalPreAuthorize", "false"),
    Wanted("AuthorizationCacheEnabled", "false"),
    Wanted("AllowOfflineTxForUnknownId", "false"),
    Wanted("LocalAuthListEnabled", "true"),
    Wanted("LocalAuthorizeOffline", "true"),
    # The site has judged already whom it starts a charge for.
    Wanted("AuthorizeRemoteTxRequests", "false"),
    # Readings of outlets at rest are nobody's, and some stations store them for days.
    Wanted("ClockAlignedDataInterval", "0"),
    # A charge that cannot be booked now must not be given up after three attempts.
    Wanted("TransactionMessageAttempts", "10", at_least=True),
)

KEYS = (
    CONNECTORS,
    PROFILES,
    RATE_UNITS,
    SAMPLE_INTERVAL,
    SAMPLED_DATA,
    LIST_ITEMS,
    LIST_ENTRIES,
    *(wanted.key for wanted in WANTED),
    # These are for the diagnostics only.
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
    "SecurityProfile",
)


async def read_settings(ask: Ask, keys: tuple[str, ...]) -> dict[str, Setting]:
    """Return those of the settings that the station knows. Raises `StationError`.

    A station takes so many keys at once and no more (GetConfigurationMaxKeys, OCPP 1.6
    §9.1.7). Of more it refuses all, or tells some: then the others are asked for again, as
    many at once as it told, half as many after a refusal. One that tells none of those that
    it could tell does not know them.
    """
    settings: dict[str, Setting] = {}
    missing, at_once, is_known = list(keys), MAX_KEYS, False
    while missing:
        batch = missing[:at_once]
        try:
            answer = await ask("GetConfiguration", {"key": batch})
        except StationError as err:
            alone = len(batch) == 1
            if err.failure is not Failure.REFUSED or (alone and not is_known):
                raise
            if alone:
                missing.remove(batch[0])
            at_once = max(1, len(batch) // 2)
            continue
        # A station may spell them in its own way (CiString50Type).
        names = {key.casefold(): key for key in batch}
        told = {names[one.casefold()] for one in _keys_told(answer) if one.casefold() in names}
        for entry in answer.get("configurationKey", ()):
            name = names.get(entry["key"].casefold(), entry["key"])
            settings[name] = Setting(entry.get("value", ""), entry["readonly"])
        is_known = True
        at_once = min(at_once, len(told) or at_once)
        gone = told or set(batch)
        missing = [key for key in missing if key not in gone]
    return settings


def _keys_told(answer: Payload) -> list[str]:
    """Return the keys that an answer to GetConfiguration says something about."""
    known = [entry["key"] for entry in answer.get("configurationKey", ())]
    return known + list(answer.get("unknownKey", ()))


def evses_of(settings: Mapping[str, Setting]) -> int | None:
    """Return the number of connectors, if it is told and makes sense."""
    number = number_of(settings, CONNECTORS)
    return number if number and number <= MAX_EVSES else None


def number_of(settings: Mapping[str, Setting], key: str) -> int | None:
    """Return a setting that is a number below a million, `None` where it is none."""
    text = settings[key].value.strip() if key in settings else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None


def items_of(setting: Setting) -> list[str]:
    """Return the items of a list."""
    return [item.strip() for item in setting.value.split(",") if item.strip()]


def measurand_of(item: str) -> str:
    """Return the measurand of an item, which may have a phase at its end."""
    return next((one for one in MEASURANDS if item == one or item.startswith(f"{one}.L")), item)


def measures_enough(setting: Setting) -> bool:
    """Whether a list of measurands has all that is needed."""
    return set(NEEDED) <= {measurand_of(item) for item in items_of(setting)}
