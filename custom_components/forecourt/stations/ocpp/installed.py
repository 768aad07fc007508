"""The certificates that a station says it has."""

from collections.abc import Iterable

from .certificates import HashData
from .schema import Payload


def is_among(wanted: HashData, told: Iterable[Payload]) -> bool:
    """Return whether a certificate is among those of GetInstalledCertificateIds.

    A station may hash by another algorithm than was wanted: then its number has to do, which
    is random and long.
    """
    return any(_is(wanted, one) for one in told)


def _is(wanted: HashData, told: Payload) -> bool:
    number: str = told["serialNumber"].strip().lower().lstrip("0")
    if number != wanted.serial_number.lstrip("0"):
        return False
    if told["hashAlgorithm"] != wanted.hash_algorithm:
        return True
    key_hash: str = told["issuerKeyHash"]
    return key_hash.strip().lower() == wanted.issuer_key_hash
