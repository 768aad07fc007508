"""What a station has to show to come in, and what it showed."""

from dataclasses import dataclass, field
from enum import IntEnum

from .certificates import CertificateFacts


class SecurityProfile(IntEnum):
    """How a station proves who it is ("Improved security for OCPP 1.6-J" §2, OCPP 2.0.1 A00).

    The standard begins at 1; without a password only the network protects the station.
    """

    NONE = 0
    PASSWORD = 1
    TLS_PASSWORD = 2
    CERTIFICATE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a connection shows before anybody believes it.

    `certificate` is one that an authority we trust has signed, as TLS made sure of.
    """

    address: str
    is_encrypted: bool = False
    certificate: CertificateFacts | None = None
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What of it was found to be true.

    `fingerprint` is that of a certificate for this identity, `password_hash` what its
    password fitted.
    """

    is_encrypted: bool = False
    fingerprint: str | None = None
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What one station has to show; more is welcome, less is refused.

    With a password hash that is at least `SecurityProfile.PASSWORD`. `certificates` are the
    SHA-256 fingerprints of those that count, without one that was revoked or replaced;
    `None` takes any certificate for this identity of an authority that we trust.
    """

    security_profile: SecurityProfile = SecurityProfile.NONE
    password_hash: str | None = field(default=None, repr=False)
    certificates: frozenset[str] | None = None

    def __post_init__(self) -> None:
        needs_password = (SecurityProfile.PASSWORD, SecurityProfile.TLS_PASSWORD)
        if self.security_profile in needs_password and self.password_hash is None:
            raise ValueError(f"security profile {self.security_profile:d} needs a password")

    @property
    def least(self) -> SecurityProfile:
        """The lowest profile that is let in."""
        if self.password_hash is None:
            return self.security_profile
        return max(self.security_profile, SecurityProfile.PASSWORD)

    def takes(self, fingerprint: str) -> bool:
        """Return whether a certificate counts."""
        return self.certificates is None or fingerprint in self.certificates

    def profile_of(self, proof: Proof) -> SecurityProfile:
        """Return what a proof amounts to."""
        if proof.fingerprint is not None and self.takes(proof.fingerprint):
            return SecurityProfile.CERTIFICATE
        if self.password_hash is None or proof.password_hash != self.password_hash:
            return SecurityProfile.NONE
        encrypted = proof.is_encrypted
        return SecurityProfile.TLS_PASSWORD if encrypted else SecurityProfile.PASSWORD

    def accepts(self, proof: Proof) -> bool:
        """Return whether a proof is enough."""
        return self.profile_of(proof) >= self.least
