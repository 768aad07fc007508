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

    `certificate` is one for this identity, `password_hash` what its password fitted.
    """

    is_encrypted: bool = False
    certificate: CertificateFacts | None = None
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What one station has to show; more is welcome, less is refused.

    With a password hash that is at least `SecurityProfile.PASSWORD`. `next_password_hash` is
    of one that it is being given: as good as the other, but nothing is lost without it.
    `certificates` are the SHA-256 fingerprints of those that count, without one that was
    revoked or replaced; `None` takes any certificate for this identity of an authority that
    we trust. With an `issuer` the list is of that one's only, and others count by their name.
    """

    security_profile: SecurityProfile = SecurityProfile.NONE
    password_hash: str | None = field(default=None, repr=False)
    next_password_hash: str | None = field(default=None, repr=False)
    certificates: frozenset[str] | None = None
    issuer: str | None = None

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

    @property
    def password_hashes(self) -> tuple[str, ...]:
        """Those that a password may fit, the one to come first."""
        return tuple(filter(None, (self.next_password_hash, self.password_hash)))

    def takes(self, certificate: CertificateFacts) -> bool:
        """Return whether a certificate counts."""
        if self.certificates is None or certificate.fingerprint in self.certificates:
            return True
        return self.issuer is not None and certificate.issuer != self.issuer

    def profile_of(self, proof: Proof) -> SecurityProfile:
        """Return what a proof amounts to."""
        if proof.certificate is not None and self.takes(proof.certificate):
            return SecurityProfile.CERTIFICATE
        if proof.password_hash not in self.password_hashes:
            return SecurityProfile.NONE
        encrypted = proof.is_encrypted
        return SecurityProfile.TLS_PASSWORD if encrypted else SecurityProfile.PASSWORD

    def accepts(self, proof: Proof) -> bool:
        """Return whether a proof is enough."""
        return self.profile_of(proof) >= self.least
