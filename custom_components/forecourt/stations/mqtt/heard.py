"""What was heard of a box last, value by value, with its age."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..declarative.link import LinkFault, Sample
from ..declarative.profile import ReadingSpec, Role, Scalar, Topic
from ..declarative.transform import UnmappedError, decode
from .payloads import GarbledError, parse, pick

type Place = tuple[Role, int | None]
"""A role and its outlet (from 1); `None` is the station."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A reading of one outlet, or of the station, at the topic where the box publishes it."""

    spec: ReadingSpec
    source: Topic
    outlet: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One value: as told, as garbled (`fault`), or as one that the profile does not know."""

    payload: bytes
    at: float
    value: Scalar | None = None
    unknown: Scalar | None = None
    fault: LinkFault | None = None


class Memory:
    """The newest of each value. Moments are seconds of any clock that never goes back."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._heard: dict[Place, _Heard] = {}

    def __contains__(self, role: object) -> bool:
        """Whether the role was ever told, by any outlet."""
        return any(known is role for known, _ in self._heard)

    def take(self, wanted: Iterable[Wanted], payload: bytes, *, retained: bool, now: float) -> None:
        """Remember what a payload says; never raises, whatever the payload."""
        for each in wanted:
            place = (each.spec.role, each.outlet)
            if retained and each.spec.role is Role.TOKEN:
                # Somebody showed it some time ago; nobody is standing there now.
                continue
            before = self._heard.get(place)
            if retained and before is not None and before.payload == payload:
                # The broker came back and tells again what we know: that is no younger for it.
                continue
            if not payload:
                # So a retained topic is deleted.
                self._heard.pop(place, None)
                continue
            heard = _hear(each, payload, now)
            if heard is not None:
                self._heard[place] = heard

    def get(self, role: Role) -> Scalar | None:
        """Return the newest value of the station's role, however old."""
        heard = self._heard.get((role, None)) or self._heard.get((role, 1))
        return None if heard is None else heard.value

    def sample(self, places: Iterable[Place], *, now: float, fresh_s: dict[Role, float]) -> Sample:
        """Return the values; those older than `fresh_s` (if their role is there) are `None`."""
        station: dict[Role, Scalar | None] = {}
        outlets: dict[int, dict[Role, Scalar | None]] = {}
        unknown: dict[Role, Scalar] = {}
        faults: dict[Role, LinkFault] = {}
        for role, outlet in places:
            values = station if outlet is None else outlets.setdefault(outlet, {})
            values[role] = None
            heard = self._heard.get((role, outlet))
            if heard is None:
                continue
            if role in fresh_s and now - heard.at > fresh_s[role]:
                faults[role] = LinkFault.TIMEOUT
            elif heard.fault is not None:
                faults[role] = heard.fault
            elif heard.unknown is not None:
                unknown[role] = heard.unknown
            else:
                values[role] = heard.value
        return Sample(station=station, outlets=outlets, unknown=unknown, faults=faults)


def _hear(wanted: Wanted, payload: bytes, now: float) -> _Heard | None:
    """Return what a payload says of a reading, or `None` if it does not speak of it."""
    try:
        raw = pick(parse(payload, as_json=wanted.source.json), wanted.source)
        return _Heard(payload=payload, at=now, value=decode(wanted.spec.transform, raw))
    except UnmappedError as err:
        return _Heard(payload=payload, at=now, unknown=err.raw)
    except GarbledError:
        return _Heard(payload=payload, at=now, fault=LinkFault.GARBLED)
    except KeyError:
        if wanted.spec.optional:
            return None
        return _Heard(payload=payload, at=now, fault=LinkFault.NOT_SUPPORTED)
