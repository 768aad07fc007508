"""Repair issues about what stations have to show: they come and go by themselves."""

from collections.abc import Callable
from datetime import datetime, timedelta

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .keys import Keys
from .stations.ocpp import CentralSystem, SecurityProfile
from .stations.ocpp.certificates import RENEW_BEFORE

ISSUE_CERTIFICATE_DUE = "station_certificate_due"
ISSUE_CERTIFICATE_OVER = "station_certificate_over"
ISSUE_KEYS_LOST = "keys_lost"

# Forecourt renews what it issued by itself: only what that did not do in time is news.
WARN_BEFORE = RENEW_BEFORE - timedelta(days=5)


class KeyIssues:
    """Looks at the keys of stations, one after the other."""

    def __init__(
        self,
        hass: HomeAssistant,
        keys: Keys,
        central: CentralSystem,
        station_name: Callable[[str], str],
    ) -> None:
        """Tell of nothing before `review`."""
        self._hass = hass
        self._keys = keys
        self._central = central
        self._name = station_name

    @callback
    def review(self, identity: str) -> None:
        """Tell what is wrong with the keys of a station, and take back what is not any more."""
        if self._keys.is_lost(identity):
            profile = str(int(self._keys.keys(identity).security_profile))
            self._raise(ISSUE_KEYS_LOST, identity, ir.IssueSeverity.ERROR, profile=profile)
        else:
            self._drop(ISSUE_KEYS_LOST, identity)
        if (end := self._end_of_certificate(identity)) is None:
            return
        now, date = dt_util.utcnow(), dt_util.as_local(end).date().isoformat()
        if now >= end:
            self._drop(ISSUE_CERTIFICATE_DUE, identity)
            self._raise(ISSUE_CERTIFICATE_OVER, identity, ir.IssueSeverity.ERROR, date=date)
            return
        self._drop(ISSUE_CERTIFICATE_OVER, identity)
        if now >= end - WARN_BEFORE:
            self._raise(ISSUE_CERTIFICATE_DUE, identity, ir.IssueSeverity.WARNING, date=date)
        else:
            self._drop(ISSUE_CERTIFICATE_DUE, identity)

    @callback
    def forget(self, identity: str) -> None:
        """Drop the issues of a station that is gone."""
        for issue in (ISSUE_CERTIFICATE_DUE, ISSUE_CERTIFICATE_OVER, ISSUE_KEYS_LOST):
            self._drop(issue, identity)

    def has_proved(self, identity: str, profile: SecurityProfile) -> bool:
        """Return whether a station is connected with a profile, or a better one."""
        return (self._central.security_profile(identity) or SecurityProfile.NONE) >= profile

    def _end_of_certificate(self, identity: str) -> datetime | None:
        """Return when the certificate ends that a station shows or showed last, if one is known.

        Those of another authority are known only while the station is connected.
        """
        proof = self._central.proof(identity)
        if proof is not None and proof.certificate is not None:
            return proof.certificate.not_after
        issued = self._keys.keys(identity).certificate
        return None if issued is None else issued.not_after

    def _raise(
        self, issue: str, identity: str, severity: ir.IssueSeverity, **placeholders: str
    ) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{issue}_{identity}",
            is_fixable=False,
            severity=severity,
            translation_key=issue,
            translation_placeholders={"station": self._name(identity), **placeholders},
        )

    def _drop(self, issue: str, identity: str) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, f"{issue}_{identity}")
