"""The variables of a station of OCPP 2.0.1 that matter, and reading them.

Their names are those of part 2, chapter "Referenced Components and Variables".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched

from ...base import (
    CanHoldTokens,
    CanReserve,
    CanShowCost,
    CanShowPrice,
    Failure,
    StationError,
)
from ..asker import Asker
from ..schema import Payload
from ..settling import only_refusals
from .device_model import DeviceModel, Key

RATE_UNIT = Key("SmartChargingCtrlr", "RateUnit")
SAMPLE_INTERVAL = Key("SampledDataCtrlr", "TxUpdatedInterval")
UPDATED_MEASURANDS = Key("SampledDataCtrlr", "TxUpdatedMeasurands")
EDGE_MEASURANDS = (
    Key("SampledDataCtrlr", "TxStartedMeasurands"),
    Key("SampledDataCtrlr", "TxEndedMeasurands"),
)
START_POINT = Key("TxCtrlr", "TxStartPoint")
STOP_POINT = Key("TxCtrlr", "TxStopPoint")
READ_AT_ONCE = Key("DeviceDataCtrlr", "ItemsPerMessage", "GetVariables")
LIST_ITEMS = Key("LocalAuthListCtrlr", "ItemsPerMessage")
LIST_BYTES = Key("LocalAuthListCtrlr", "BytesPerMessage")
LIST_ENTRIES = Key("LocalAuthListCtrlr", "Entries")

REGISTER = "Energy.Active.Import.Register"
NEEDED = (REGISTER, "Power.Active.Import", "Current.Import")
MEASURANDS = (*NEEDED, "Voltage")
# Asked for only where the station says that it has it.
IF_LISTED = ("SoC",)

# With one of these a transaction is the charge of somebody who is known.
GOOD_STARTS = ("PowerPathClosed", "Authorized")
# It would end whenever the site lets nothing flow for a while.
BAD_STOP = "EnergyTransfer"

# What goes with each capability: a switch for whether it can, and one for whether it does.
CONTROLLERS: dict[type, tuple[Key, Key]] = {
    CanHoldTokens: (Key("LocalAuthListCtrlr", "Available"), Key("LocalAuthListCtrlr", "Enabled")),
    CanReserve: (Key("ReservationCtrlr", "Available"), Key("ReservationCtrlr", "Enabled")),
    CanShowCost: (
        Key("TariffCostCtrlr", "Available", "Cost"),
        Key("TariffCostCtrlr", "Enabled", "Cost"),
    ),
    CanShowPrice: (
        Key("TariffCostCtrlr", "Available", "Tariff"),
        Key("TariffCostCtrlr", "Enabled", "Tariff"),
    ),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that a variable shall have; `at_least`: or a greater number."""

    key: Key
    value: str
    at_least: bool = False

    def met_by(self, value: str) -> bool:
        """Whether a value will do; some stations tell a switch as a number."""
        told = value.strip().casefold()
        if self.at_least and told.isdecimal():
            return int(told) >= int(self.value)
        return told == self.value or told == {"true": "1", "false": "0"}.get(self.value)


WANTED = (
    Wanted(Key("SmartChargingCtrlr", "Enabled"), "true"),
    Wanted(Key("SampledDataCtrlr", "Enabled"), "true"),
    # Readings of outlets at rest are nobody's, and some stations store them for days.
    Wanted(Key("AlignedDataCtrlr", "Interval"), "0"),
    # Only registered users charge: the site judges every card that is shown, a charge that
    # it refuses ends, and a station that is alone lets in whom its list names.
    Wanted(Key("TxCtrlr", "StopTxOnInvalidId"), "true"),
    Wanted(Key("AuthCtrlr", "LocalPreAuthorize"), "false"),
    Wanted(Key("AuthCtrlr", "DisableRemoteAuthorization"), "false"),
    Wanted(Key("AuthCtrlr", "OfflineTxForUnknownIdEnabled"), "false"),
    Wanted(Key("AuthCtrlr", "LocalAuthorizeOffline"), "true"),
    Wanted(Key("AuthCacheCtrlr", "Enabled"), "false"),
    # The site has judged already whom it starts a charge for.
    Wanted(Key("AuthCtrlr", "AuthorizeRemoteStart"), "false"),
    # A charge that cannot be booked now must not be given up after three attempts.
    Wanted(Key("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"), "10", at_least=True),
    *(Wanted(enabled, "true") for _, enabled in CONTROLLERS.values()),
)

KEYS = (
    *(wanted.key for wanted in WANTED),
    *(available for available, _ in CONTROLLERS.values()),
    RATE_UNIT,
    SAMPLE_INTERVAL,
    UPDATED_MEASURANDS,
    *EDGE_MEASURANDS,
    START_POINT,
    STOP_POINT,
    LIST_ITEMS,
    LIST_BYTES,
    LIST_ENTRIES,
)

# Enough to tell what a stranger is.
EVSES = tuple(Key("EVSE", "AvailabilityState", evse=number) for number in range(1, 9))

# What is asked at once, unless the station tells what it takes (ItemsPerMessage).
AT_ONCE = 16
MAX_AT_ONCE = 100


async def read_variables(
    asker: Asker, model: DeviceModel, keys: Sequence[Key], at_once: int
) -> None:
    """Ask for variables, one by one where many are refused. Raises `StationError`.

    A station that refuses a single one is not asked for the rest.
    """
    for batch in batched(keys, at_once, strict=False):
        payload: Payload = {"getVariableData": [key.payload for key in batch]}
        try:
            answer = await asker.ask("GetVariables", payload)
        except StationError as err:
            only_refusals(err)
            if len(batch) > 1 and err.failure is not Failure.NOT_SUPPORTED:
                await read_variables(asker, model, keys[keys.index(batch[0]) :], 1)
            return
        for result in answer["getVariableResult"]:
            model.take(result)


def items_at_once(model: DeviceModel) -> int:
    """Return how many variables may be asked for at once."""
    told = model[READ_AT_ONCE]
    text = "" if told is None else (told.value or "").strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else AT_ONCE
    return max(1, min(number, MAX_AT_ONCE))
