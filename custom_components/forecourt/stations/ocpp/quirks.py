"""What is known of certain models and firmwares that break the rules, and what is done then.

Data, not code: one entry per claim, with its source. It is chosen by what the station says
of itself at boot. What can be found out by asking or trying is learned instead (`learned.py`)
and needs no entry here.
"""

from dataclasses import dataclass
import re

from ...core.model.station import StationInfo
from .learned import RateUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """A claim about the stations whose vendor, model and firmware match (case ignored).

    `firmware_until` is the last version it holds for. `measurands` is the list that the
    station is given instead of trying, `unit` the only one it follows, `untriggered` the
    messages that it must not be asked for.
    """

    name: str
    source: str
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    firmware_until: tuple[int, ...] | None = None
    measurands: tuple[str, ...] | None = None
    unit: RateUnit | None = None
    untriggered: frozenset[str] = frozenset()

    def fits(self, info: StationInfo) -> bool:
        """Whether the claim is about this station."""
        patterns = (self.vendor, self.model, self.firmware)
        if not all(map(_found, patterns, (info.vendor, info.model, info.firmware), strict=True)):
            return False
        if self.firmware_until is None:
            return True
        version = tuple(int(number) for number in re.findall(r"[0-9]{1,9}", info.firmware or ""))
        return bool(version) and version[: len(self.firmware_until)] <= self.firmware_until


def _found(pattern: str, text: str | None) -> bool:
    return re.search(pattern, text or "", re.IGNORECASE) is not None


QUIRKS = (
    Quirk(
        name="measurands reboot it",
        source="lbbrhzn/ocpp docs and issue 1275: ABB Terra AC up to 1.8.21 boots in a loop "
        "while measurands are tried; these five work",
        vendor="ABB",
        firmware_until=(1, 8, 21),
        measurands=(
            "Energy.Active.Import.Register",
            "Power.Active.Import",
            "Current.Import",
            "Voltage",
            "Current.Offered",
        ),
    ),
    Quirk(
        name="limits in watts only",
        source="lbbrhzn/ocpp issues 1635 and 1810: Huawei takes the rate unit Power only",
        vendor="Huawei",
        unit=RateUnit.WATT,
    ),
    Quirk(
        name="limits in amperes only",
        source="go-e issue 190: takes limits in A only",
        vendor="go-e",
        unit=RateUnit.AMPERE,
    ),
    Quirk(
        name="a requested boot kills it",
        source="lbbrhzn/ocpp issue 1096: StarCharge disconnects near TriggerMessage of "
        "BootNotification",
        vendor="StarCharge|Star Charge",
        untriggered=frozenset({"BootNotification"}),
    ),
)


def quirks_of(info: StationInfo) -> tuple[Quirk, ...]:
    """Return the claims that hold for a station."""
    return tuple(quirk for quirk in QUIRKS if quirk.fits(info))
