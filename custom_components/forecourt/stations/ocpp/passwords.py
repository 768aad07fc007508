"""Passwords of stations: made, hashed and checked."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import string

# What OCPP 1.6 takes at most as AuthorizationKey, and 2.x takes as well.
GENERATED_LENGTH = 20
# Nobody shall have to guess whether that is a one or an l.
GENERATED_FROM = sorted(set(string.ascii_lowercase + string.digits) - set("01lo"))

# A password has 16 to 20 bytes (OCPP 1.6 security whitepaper, AuthorizationKey) and is often
# written down as hexadecimal digits.
HEX_KEY = re.compile(rb"(?:[0-9a-fA-F]{2}){16,20}")

_SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P = 14, 8, 1


def generate_password() -> str:
    """Return a new password of 100 bits that a human can type into any station."""
    return "".join(secrets.choice(GENERATED_FROM) for _ in range(GENERATED_LENGTH))


def hash_password(password: str, *, generated: bool = False) -> str:
    """Return a salted hash of a station's password.

    `generated` is for what `generate_password` made: nobody guesses that, so its hash need
    not be expensive. Otherwise it is slow: run it in an executor.
    """
    canonical, salt = _canonical(password.encode()), secrets.token_bytes(16)
    if generated:
        return _joined("sha256", salt, _digest(salt, canonical))
    cost = f"{_SCRYPT_LOG_N},{_SCRYPT_R},{_SCRYPT_P}"
    return _joined(f"scrypt${cost}", salt, _derive(canonical, salt, cost))


def is_slow(password_hash: str) -> bool:
    """Return whether checking a password takes long."""
    return password_hash.startswith("scrypt$")


def verify_password(presented: bytes, password_hash: str) -> bool:
    """Return whether a presented password fits. Where `is_slow`: run it in an executor."""
    *scheme, salt_text, key = password_hash.split("$")
    canonical, salt = _canonical(presented), base64.b64decode(salt_text)
    match scheme:
        case ["scrypt", cost]:
            found = _derive(canonical, salt, cost)
        case ["sha256"]:
            found = _digest(salt, canonical)
        case _:
            raise ValueError("unknown kind of password hash: set the password again")
    return hmac.compare_digest(found, base64.b64decode(key))


def password_of(identity: str, authorization: str) -> bytes | None:
    """Return the password of a Basic authorization header whose user is the identity."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error, ValueError:
        return None
    user = identity.encode() + b":"
    return decoded.removeprefix(user) if decoded.startswith(user) else None


class PasswordMemory:
    """The passwords that were right, so that the next check of each costs nothing.

    Kept as digests with a key that lives no longer than this process. After a cut of power
    two hundred stations come at once; sixteen seconds of checking would be too long.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: dict[str, tuple[str, bytes]] = {}

    def recall(self, identity: str, presented: bytes, password_hash: str) -> bool | None:
        """Return whether the password is right, `None` if that has to be found out."""
        known_hash, digest = self._right.get(identity, ("", b""))
        if known_hash != password_hash:
            return None
        return hmac.compare_digest(digest, _digest(self._key, _canonical(presented)))

    def remember(self, identity: str, presented: bytes, password_hash: str) -> None:
        """Take note that this password is right."""
        self._right[identity] = (password_hash, _digest(self._key, _canonical(presented)))

    def forget(self, identity: str) -> None:
        """Forget the password of one station."""
        self._right.pop(identity, None)


def _canonical(password: bytes) -> bytes:
    """Return the one form of a key that some stations send decoded and others as its digits."""
    return bytes.fromhex(password.decode()) if HEX_KEY.fullmatch(password) else password


def _joined(scheme: str, salt: bytes, key: bytes) -> str:
    return "$".join((scheme, base64.b64encode(salt).decode(), base64.b64encode(key).decode()))


def _digest(key: bytes, password: bytes) -> bytes:
    return hmac.digest(key, password, "sha256")


def _derive(password: bytes, salt: bytes, cost: str) -> bytes:
    log_n, r, p = map(int, cost.split(","))
    return hashlib.scrypt(password, salt=salt, n=2**log_n, r=r, p=p, maxmem=2**26)
