"""The private keys of this installation, and what its stations have to show.

A store of its own beside the vault: it is written when keys change, which is seldom.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .required import RequiredProfiles
from .stations.ocpp import SecurityProfile
from .stations.ocpp.certificates import CertifiedKey
from .stations.ocpp.keyring import Issued, StationKeys
from .vault import Vault

VERSION = 1


class _StoredKey(TypedDict):
    chain: str
    key: str


class _StoredServer(TypedDict):
    hosts: list[str]
    keys: list[_StoredKey]


class _StoredCertificate(TypedDict):
    fingerprint: str
    not_after: str


class _StoredStation(TypedDict):
    security_profile: int
    next_password: str | None
    certificate: _StoredCertificate | None
    issued: list[_StoredCertificate]


class _KeysData(TypedDict):
    authority: _StoredKey | None
    server: _StoredServer | None
    given: _StoredKey | None
    stations: dict[str, _StoredStation]


class Keys:
    """What is kept of keys; written at once and atomically.

    The passwords of stations lie in the vault, where they have always been.
    """

    def __init__(
        self, hass: HomeAssistant, vault: Vault, required: RequiredProfiles | None = None
    ) -> None:
        """Use the private store; `load` comes first.

        `required` is where it is kept once more what stations have to show at least.
        """
        self._store = Store[_KeysData](
            hass, VERSION, f"{DOMAIN}.keys", private=True, atomic_writes=True
        )
        self._vault = vault
        self._required = required
        self._data = _KeysData(authority=None, server=None, given=None, stations={})

    async def load(self) -> None:
        """Read the store."""
        self._data = await self._store.async_load() or self._data

    async def remove(self) -> None:
        """Delete the store."""
        await self._store.async_remove()

    # The site's own

    @property
    def authority(self) -> CertifiedKey | None:
        """The authority that issues certificates, `None` before its first use."""
        return _key(self._data["authority"])

    async def set_authority(self, authority: CertifiedKey) -> None:
        """Keep the authority."""
        self._data["authority"] = _stored(authority)
        await self._save()

    @property
    def server(self) -> tuple[CertifiedKey, ...]:
        """The keys of the server that the authority issued, one of each kind."""
        stored = self._data["server"]
        return () if stored is None else tuple(map(_certified, stored["keys"]))

    @property
    def server_hosts(self) -> frozenset[str]:
        """For which host names and addresses they are."""
        stored = self._data["server"]
        return frozenset() if stored is None else frozenset(stored["hosts"])

    async def set_server(self, keys: Iterable[CertifiedKey], hosts: Iterable[str]) -> None:
        """Keep the keys of the server."""
        self._data["server"] = _StoredServer(hosts=list(hosts), keys=[*map(_stored, keys)])
        await self._save()

    @property
    def given(self) -> CertifiedKey | None:
        """A key of the server that the owner entered, with its certificate."""
        return _key(self._data["given"])

    async def set_given(self, key: CertifiedKey | None) -> None:
        """Keep what the owner entered, or forget it."""
        if key != self.given:
            self._data["given"] = None if key is None else _stored(key)
            await self._save()

    # Those of stations

    def keys(self, identity: str) -> StationKeys:
        """Return what a station has to show: never less than it had to, whatever was lost."""
        keys, least = self._stored_keys(identity), self._least(identity)
        return keys if least <= keys.least else replace(keys, security_profile=least)

    def is_lost(self, identity: str) -> bool:
        """Return whether less is stored than what a station has to show."""
        return self._least(identity) > self._stored_keys(identity).least

    def remember_least(self, identity: str) -> None:
        """Keep once more what a station has to show at least, if more is stored."""
        if self._required is not None:
            self._required.keep(identity, self.keys(identity).least)

    def _least(self, identity: str) -> SecurityProfile:
        return SecurityProfile.NONE if self._required is None else self._required.of(identity)

    def _stored_keys(self, identity: str) -> StationKeys:
        password_hash = self._vault.password_hash(identity)
        stored = self._data["stations"].get(identity)
        if stored is None:
            return StationKeys(password_hash=password_hash)
        certificate = stored["certificate"]
        return StationKeys(
            security_profile=SecurityProfile(stored["security_profile"]),
            password_hash=password_hash,
            next_password_hash=stored["next_password"],
            certificate=None if certificate is None else _issued(certificate),
            issued=tuple(map(_issued, stored["issued"])),
        )

    async def keep(self, identity: str, keys: StationKeys) -> None:
        """Keep what a station has to show; the password first, without which it is locked out."""
        before = self.keys(identity)
        certificate = keys.certificate
        stored = _StoredStation(
            security_profile=int(keys.security_profile),
            next_password=keys.next_password_hash,
            certificate=None if certificate is None else _stored_certificate(certificate),
            issued=[*map(_stored_certificate, keys.issued)],
        )
        if keys == StationKeys(password_hash=keys.password_hash):
            self._data["stations"].pop(identity, None)
        else:
            self._data["stations"][identity] = stored
        if keys.password_hash != before.password_hash:
            await self._vault.set_password_hash(identity, keys.password_hash)
        await self._save()
        if self._required is not None:
            self._required.keep(identity, keys.least)

    async def forget(self, identity: str) -> None:
        """Forget a station that was removed."""
        await self._vault.set_password_hash(identity, None)
        if self._data["stations"].pop(identity, None) is not None:
            await self._save()

    async def _save(self) -> None:
        await self._store.async_save(self._data)


def _key(stored: _StoredKey | None) -> CertifiedKey | None:
    return None if stored is None else _certified(stored)


def _certified(stored: _StoredKey) -> CertifiedKey:
    return CertifiedKey(chain_pem=stored["chain"], key_pem=stored["key"])


def _stored(key: CertifiedKey) -> _StoredKey:
    return _StoredKey(chain=key.chain_pem, key=key.key_pem)


def _issued(stored: _StoredCertificate) -> Issued:
    return Issued(stored["fingerprint"], datetime.fromisoformat(stored["not_after"]))


def _stored_certificate(certificate: Issued) -> _StoredCertificate:
    return _StoredCertificate(
        fingerprint=certificate.fingerprint, not_after=certificate.not_after.isoformat()
    )
