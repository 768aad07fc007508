"""What a box tells about itself once in a while: its name plate, and how it falls back."""

from dataclasses import dataclass, replace
import math

from ...core.model.reading import VOLTS
from ...core.model.station import StationInfo
from .link import Sample
from .profile import Confidence, Profile, Role, Scalar


@dataclass(frozen=True, slots=True)
class Safety:
    """What the box does when nobody speaks to it; `None` for what it does not tell.

    `fallback_a` is per phase, rounded up; a `watchdog_s` of 0 is one that is off.
    """

    fallback_a: int | None
    watchdog_s: float | None


def introduce(info: StationInfo, sample: Sample) -> StationInfo:
    """Return what is known of the station now."""
    return replace(
        info,
        vendor=_text(sample, Role.VENDOR) or info.vendor,
        model=_text(sample, Role.MODEL) or info.model,
        serial=_text(sample, Role.SERIAL) or info.serial,
        firmware=_text(sample, Role.FIRMWARE) or info.firmware,
    )


def safety_of(sample: Sample, profile: Profile) -> Safety:
    """Return how the box falls back, by its own word; no fuse hangs on a guess."""

    def told(role: Role) -> float | None:
        spec = profile.readings.get(role)
        sure = spec is not None and spec.confidence is not Confidence.EXPERIMENTAL
        return _number(sample, role) if sure else None

    fallback_a = told(Role.FALLBACK_A)
    if fallback_a is None and (watts := told(Role.FALLBACK_W)) is not None:
        # All of it may flow on one phase.
        fallback_a = watts / VOLTS
    return Safety(
        fallback_a=None if fallback_a is None else math.ceil(fallback_a),
        watchdog_s=told(Role.WATCHDOG_S),
    )


def _value(sample: Sample, role: Role) -> Scalar | None:
    return sample.station.get(role, sample.outlets.get(1, {}).get(role))


def _text(sample: Sample, role: Role) -> str | None:
    value = _value(sample, role)
    return None if value is None else str(value).strip("\0 ") or None


def _number(sample: Sample, role: Role) -> float | None:
    value = _value(sample, role)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
