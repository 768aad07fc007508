"""What every station has to show, and the certificates that stations are issued.

What replaces something else counts beside it until it was shown: a station that did not take
it, or lost it, still gets in.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
import logging
from typing import Any, Protocol

from ..base import Failure, StationError
from .attempts import Attempts
from .authority import STATION_VALID, issue_station
from .certificates import (
    RENEW_BEFORE,
    CertificateError,
    CertificateFacts,
    CertifiedKey,
    facts_of,
)
from .credentials import Credentials, Proof, SecurityProfile
from .door import Cause, Knock
from .link import Timing
from .passwords import generate_password, hash_password
from .server import CentralSystem
from .station import OcppStation
from .versions import VERSIONS

_LOGGER = logging.getLogger(__name__)

# Stations that did not get their answer ask again, each time with another key.
MAX_ISSUED = 4
MAX_REQUESTS_PER_MINUTE = 6


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that a station was issued, by its SHA-256 fingerprint."""

    fingerprint: str
    not_after: datetime

    @classmethod
    def of(cls, facts: CertificateFacts) -> Issued:
        """Return what is kept of a certificate."""
        return cls(facts.fingerprint, facts.not_after)

    def is_due(self, now: datetime) -> bool:
        """Return whether it is time for a new one."""
        return now > self.not_after - RENEW_BEFORE


@dataclass(frozen=True, slots=True, kw_only=True)
class StationKeys:
    """What a station has to show, at least with `security_profile`; see `Credentials`.

    `certificate` is the one that it showed last, `issued` those that came after, oldest first.
    """

    security_profile: SecurityProfile = SecurityProfile.NONE
    password_hash: str | None = field(default=None, repr=False)
    next_password_hash: str | None = field(default=None, repr=False)
    certificate: Issued | None = None
    issued: tuple[Issued, ...] = ()

    @property
    def least(self) -> SecurityProfile:
        """The lowest profile that is let in: a password is asked for where there is one."""
        lowest = SecurityProfile.NONE if self.password_hash is None else SecurityProfile.PASSWORD
        return max(self.security_profile, lowest)

    def shown(self, proof: Proof) -> StationKeys:
        """Return the same without what was replaced by what the station just showed."""
        keys = self
        if proof.password_hash is not None and proof.password_hash == self.next_password_hash:
            keys = replace(keys, password_hash=self.next_password_hash, next_password_hash=None)
        if proof.certificate is not None:
            for number, one in enumerate(self.issued, 1):
                if one.fingerprint == proof.certificate.fingerprint:
                    keys = replace(keys, certificate=one, issued=self.issued[number:])
        return keys


class KeyStore(Protocol):
    """Where the keys of stations are kept."""

    def keys(self, identity: str) -> StationKeys:
        """Return those of a station, empty for one that is not known."""

    async def keep(self, identity: str, keys: StationKeys) -> None:
        """Take them over at once; they are on disk when this returns."""


class Keyring:
    """Keeps what the central system asks of stations in line with the store.

    `authority` gives the one that issues certificates, `None` while there is none.
    `on_news` is told of a station that came, and of one whose keys changed.
    """

    def __init__(
        self,
        central: CentralSystem,
        store: KeyStore,
        authority: Callable[[], CertifiedKey | None],
        *,
        now: Callable[[], datetime],
        timing: Timing | None = None,
        valid: timedelta = STATION_VALID,
    ) -> None:
        self.central = central
        self.timing = timing or Timing()
        self.on_news: Callable[[str], None] = lambda _: None
        self._store = store
        self._authority = authority
        self._now = now
        self._valid = valid
        self._requests = Attempts(now, MAX_REQUESTS_PER_MINUTE)
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._expected: dict[str, SecurityProfile] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: Callable[[], None] | None = central.subscribe_knocks(self._knocked)

    async def close(self) -> None:
        """Give up what is under way; may be called twice."""
        if self._end is not None:
            self._end()
            self._end = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What stations have to show

    def keys(self, identity: str) -> StationKeys:
        """Return the keys of a station."""
        return self._store.keys(identity)

    def credentials(self, identity: str) -> Credentials:
        """Return what a station has to show."""
        keys, authority = self.keys(identity), self._authority()
        profile = keys.security_profile
        lacks_password = profile in (SecurityProfile.PASSWORD, SecurityProfile.TLS_PASSWORD)
        if lacks_password and keys.password_hash is None:
            # Rather nobody than anybody.
            _LOGGER.error("The password of station %s is lost: give it a new one", identity)
            profile = SecurityProfile.CERTIFICATE
        known = (*keys.issued, *((keys.certificate,) if keys.certificate else ()))
        return Credentials(
            security_profile=profile,
            password_hash=keys.password_hash,
            next_password_hash=keys.next_password_hash,
            certificates=frozenset(one.fingerprint for one in known),
            issuer=None if authority is None else facts_of(authority.chain_pem).issuer,
        )

    def attach(self, station: OcppStation) -> None:
        """Have the certificates that a station asks for issued."""
        station.sign_certificate = partial(self._sign, station)

    async def offer_password(self, identity: str) -> tuple[str, str]:
        """Return a new password, which counts beside the present one, and its hash."""
        password = generate_password()
        password_hash = hash_password(password, generated=True)
        await self.change(identity, next_password_hash=password_hash)
        return password, password_hash

    async def change(self, identity: str, **changes: Any) -> None:
        """Change the keys of a station, and what it has to show with them."""
        if "security_profile" in changes:
            self._expected.pop(identity, None)
        await self._keep(identity, replace(self.keys(identity), **changes))

    def expect(self, identity: str, profile: SecurityProfile) -> None:
        """Ask for nothing less than a profile as soon as the station, which was told to, has it."""
        self._expected[identity] = profile

    def expects(self, identity: str) -> bool:
        """Return whether a station is still to come with what it was told to."""
        return identity in self._expected

    def forget(self, identity: str) -> None:
        """Expect nothing of a station that was removed."""
        self._expected.pop(identity, None)

    def refresh(self) -> None:
        """Take over that there is an authority now."""
        for identity in self.central.stations:
            self.central.require(identity, self.credentials(identity))

    async def _keep(self, identity: str, keys: StationKeys) -> None:
        await self._store.keep(identity, keys)
        if identity in self.central.stations:
            self.central.require(identity, self.credentials(identity))
        self.on_news(identity)

    def _knocked(self, knock: Knock) -> None:
        """Drop what was replaced, once a station came with what replaces it."""
        identity = knock.identity
        if knock.cause is not Cause.CONNECTED or identity is None:
            return
        if (proof := self.central.proof(identity)) is not None:
            self._spawn(self._take_note(identity, proof))

    async def _take_note(self, identity: str, proof: Proof) -> None:
        keys = self.keys(identity)
        after = keys.shown(proof)
        expected = self._expected.get(identity)
        proved = self.central.security_profile(identity) or SecurityProfile.NONE
        if expected is not None and proved >= expected:
            del self._expected[identity]
            # One that goes by a password needs one.
            if after.password_hash is not None or expected is SecurityProfile.CERTIFICATE:
                after = replace(after, security_profile=max(expected, after.security_profile))
        if after == keys:
            self.on_news(identity)
        else:
            await self._keep(identity, after)

    # Certificates

    async def certify(self, station: OcppStation) -> None:
        """Have a station ask for a certificate, and return when it has taken it.

        Raises `StationError`, and `CertificateError` where what it asks for cannot be given.
        """
        identity = station.info.id
        self._wanted[identity] = asyncio.get_running_loop().create_future()
        try:
            await VERSIONS[station.info.protocol].security(station).ask_for_request()
            async with asyncio.timeout(self.timing.upgrade_s):
                await self._wanted[identity]
        except TimeoutError:
            raise StationError(identity, Failure.TIMEOUT, "SignCertificate") from None
        finally:
            del self._wanted[identity]

    async def renew(self) -> None:
        """Have the stations whose certificate ends soon ask for a new one."""
        for identity, station in tuple(self.central.stations.items()):
            certificate = self.keys(identity).certificate
            if certificate is None or not certificate.is_due(self._now()) or not station.online:
                continue
            try:
                await VERSIONS[station.info.protocol].security(station).ask_for_request()
            except StationError as err:
                _LOGGER.warning("No new certificate for %s", err)

    async def _sign(self, station: OcppStation, csr_pem: str) -> bool:
        """Issue what a station asked for in `SignCertificate`, and return whether it was."""
        identity, authority = station.info.id, self._authority()
        wanted = self._wanted.get(identity)
        proved = self.central.security_profile(identity) or SecurityProfile.NONE
        if authority is None or (wanted is None and proved < SecurityProfile.TLS_PASSWORD):
            return False
        if self._requests.wait_s(identity):
            return False
        self._requests.add(identity)
        try:
            chain = await asyncio.to_thread(
                issue_station, authority, csr_pem, identity, self._now(), valid=self._valid
            )
        except CertificateError as err:
            _LOGGER.warning("No certificate for station %s: %s", identity, err)
            _settle(wanted, err)
            return False
        issued = Issued.of(facts_of(chain))
        kept = self.keys(identity).issued[1 - MAX_ISSUED :]
        await self.change(identity, issued=(*kept, issued))
        self._spawn(self._deliver(station, chain, issued))
        return True

    async def _deliver(self, station: OcppStation, chain: str, issued: Issued) -> None:
        # The answer to the request goes first.
        await asyncio.sleep(self.timing.sign_s)
        identity = station.info.id
        try:
            await VERSIONS[station.info.protocol].security(station).send_certificate(chain)
        except StationError as err:
            _LOGGER.warning("A new certificate was not taken by %s", err)
            if err.failure not in (Failure.OFFLINE, Failure.TIMEOUT):
                kept = tuple(one for one in self.keys(identity).issued if one != issued)
                await self.change(identity, issued=kept)
            _settle(self._wanted.get(identity), err)
        else:
            _settle(self._wanted.get(identity))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _settle(wanted: asyncio.Future[None] | None, error: Exception | None = None) -> None:
    if wanted is None or wanted.done():
        return
    if error is None:
        wanted.set_result(None)
    else:
        wanted.set_exception(error)
