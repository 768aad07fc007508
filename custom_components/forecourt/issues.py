"""Repair issues about stations: they come when something is wrong, and go when it is not."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later

from .const import DOMAIN
from .core.model.events import StationEvent
from .core.model.ids import EvseId
from .site import Site
from .stations.base import Failure
from .stations.declarative.station import DeclarativeStation
from .stations.ocpp import Cause, CentralSystem, Knock, SecurityProfile
from .stations.ocpp.attempts import is_public

ISSUE_ANOTHER_CONTROLLER = "another_controller"
ISSUE_LIMIT_IGNORED = "limit_ignored"
ISSUE_LIMIT_REFUSED = "limit_refused"
ISSUE_LIMIT_UNANSWERED = "limit_unanswered"
ISSUE_STATION_EXPOSED = "station_exposed"

QUIET = timedelta(days=1)
"""How long another controller must not be noticed until it is taken to be gone."""


class StationIssues:
    """Turns what the site and the central system notice into issues, one per outlet or station.

    Issues can be read by every login: they name outlets and stations, nobody and nothing
    that is secret.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        site: Site,
        central: CentralSystem,
        evse_name: Callable[[EvseId], str],
        station_name: Callable[[str], str],
    ) -> None:
        """Watch nothing before `watch`."""
        self._hass = hass
        self._site = site
        self._central = central
        self._evse_name = evse_name
        self._station_name = station_name
        self._rivals: dict[str, CALLBACK_TYPE] = {}

    def watch(self) -> list[Callable[[], None]]:
        """Begin; returns what ends it."""
        return [
            self._site.controller.ignored.connect(self._limit_ignored),
            self._site.controller.refused.connect(self._limit_refused),
            self._central.subscribe_knocks(self._knocked),
            self._site.happened_signal.connect(self._happened),
            self._wait_no_more,
        ]

    @callback
    def forget(self, station_id: str, evses: Iterable[EvseId]) -> None:
        """Drop the issues of a station that is gone, and of its outlets."""
        self._drop(ISSUE_STATION_EXPOSED, station_id)
        self._rival_gone(station_id)
        for evse in evses:
            self._drop(ISSUE_LIMIT_IGNORED, str(evse))
            self._drop(ISSUE_LIMIT_REFUSED, str(evse))
            self._drop(ISSUE_LIMIT_UNANSWERED, str(evse))

    @callback
    def _limit_ignored(self, evse: EvseId) -> None:
        if evse not in self._site.controller.ignoring:
            self._drop(ISSUE_LIMIT_IGNORED, str(evse))
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{ISSUE_LIMIT_IGNORED}_{evse}",
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=ISSUE_LIMIT_IGNORED,
            translation_placeholders={"outlet": self._evse_name(evse)},
        )

    @callback
    def _limit_refused(self, evse: EvseId) -> None:
        refusal = self._site.controller.refusals.get(evse)
        if refusal is None:
            self._drop(ISSUE_LIMIT_REFUSED, str(evse))
            self._drop(ISSUE_LIMIT_UNANSWERED, str(evse))
            return
        # Who is silent did not say no: it may follow, and there is something else to look for.
        issue, other = ISSUE_LIMIT_REFUSED, ISSUE_LIMIT_UNANSWERED
        if refusal.failure is Failure.TIMEOUT:
            issue, other = other, issue
        self._drop(other, str(evse))
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{issue}_{evse}",
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=issue,
            translation_placeholders={
                "outlet": self._evse_name(evse),
                "answer": refusal.detail or refusal.failure.value,
            },
        )

    @callback
    def _knocked(self, knock: Knock) -> None:
        station_id = knock.identity
        if station_id is None or station_id not in self._central.stations:
            return
        if knock.cause is Cause.EXPOSED:
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                f"{ISSUE_STATION_EXPOSED}_{station_id}",
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=ISSUE_STATION_EXPOSED,
                translation_placeholders={"station": self._station_name(station_id)},
            )
        elif knock.cause is Cause.CONNECTED and not _is_exposed(knock):
            self._drop(ISSUE_STATION_EXPOSED, station_id)

    @callback
    def _happened(self, event: StationEvent) -> None:
        station = self._site.stations.get(event.station_id)
        if not isinstance(station, DeclarativeStation) or station.rival_at != event.at:
            return
        station_id = event.station_id

        @callback
        def quiet(_: datetime) -> None:
            self._rival_gone(station_id)

        if (stop := self._rivals.pop(station_id, None)) is not None:
            stop()
        self._rivals[station_id] = async_call_later(self._hass, QUIET, quiet)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{ISSUE_ANOTHER_CONTROLLER}_{station_id}",
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_ANOTHER_CONTROLLER,
            translation_placeholders={"station": self._station_name(station_id)},
        )

    @callback
    def _rival_gone(self, station_id: str) -> None:
        if (stop := self._rivals.pop(station_id, None)) is not None:
            stop()
            self._drop(ISSUE_ANOTHER_CONTROLLER, station_id)

    @callback
    def _wait_no_more(self) -> None:
        for stop in self._rivals.values():
            stop()
        self._rivals.clear()

    def _drop(self, issue: str, what: str) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, f"{issue}_{what}")


def _is_exposed(knock: Knock) -> bool:
    """Return whether a station came over the Internet without encryption or proof."""
    profile = knock.security_profile or SecurityProfile.NONE
    return is_public(knock.address) and profile < SecurityProfile.TLS_PASSWORD
