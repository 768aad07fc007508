"""What of a message is secret: cards and people, passwords and keys, and bulk.

The one place that knows. Everything that shows a payload shows what `masked` makes of it.
"""

import re
from typing import Any

MASK = "…"

# No message of OCPP is so deep; what is deeper was made to exhaust the stack.
MAX_LEVELS = 20

# Compared without regard to case, as stations are not strict about it.
_SECRET = frozenset(
    name.lower()
    for name in (
        # cards, and lists of them
        "additionalIdToken",
        "additionalInfo",
        "idTag",
        "idTokens",
        "localAuthorizationList",
        "parentIdTag",
        "prioritizedEMAIDs",
        # people, companies and SIM cards
        "company",
        "customerIdentifier",
        "iccid",
        "imsi",
        "pspRef",
        "vatCompany",
        "vatNumber",
        # how to get into a network (2.x: SetNetworkProfile)
        "apn",
        "basicAuthPassword",
        "password",
        "vpn",
        # whatever a vendor puts in there
        "customData",
        "data",
    )
)

# An object that tells its kind, or the secret itself.
_TOKEN = "idtoken"  # noqa: S105 - the name of a field

_BULK = frozenset(
    name.lower()
    for name in (
        "certificate",
        "certificateChain",
        "csr",
        "exiRequest",
        "exiResponse",
        "ocspResult",
        "publicKey",
        "signature",
        "signedMeterData",
        "signingCertificate",
    )
)

# AuthorizationKey, BasicAuthPassword, FreevendIdTag, what vendors call theirs, and what
# says which one of all stations this is.
_SECRET_SETTING = re.compile(
    "key|passw|passphrase|psk|pin(?!g)|secret|token|credential|id_?tag|iccid|imsi|serial",
    re.IGNORECASE,
)
# Where the value of a setting stands: 1.6, SetVariables, NotifyEvent, NotifyReport.
_VALUES = frozenset({"value", "attributevalue", "actualvalue", "variableattribute"})

_LOGIN = re.compile(r"://\S*@")
# A link to where a log goes may be signed, and then whoever has it may write there.
_QUERY = re.compile(r"[?#]\S*")


def masked(content: Any, levels: int = MAX_LEVELS) -> Any:
    """Return a copy of a payload that is fit for a log, cut off below so many levels."""
    if isinstance(content, str):
        return _without_login(content) if "://" in content else content
    if not isinstance(content, dict | list):
        return content
    if not levels:
        return MASK
    if isinstance(content, list):
        return [masked(value, levels - 1) for value in content]
    secret = _SECRET | _VALUES if _is_secret_setting(content) else _SECRET
    return {
        name: _masked_field(name.lower(), value, secret, levels) for name, value in content.items()
    }


def _masked_field(name: str, value: Any, secret: frozenset[str], levels: int) -> Any:
    if name in secret or (name == _TOKEN and not isinstance(value, dict)):
        return MASK
    if name in _BULK:
        return length_of(value) if isinstance(value, str) else MASK
    return masked(value, levels - 1)


def length_of(text: str) -> str:
    """Return what is shown instead of a text that is too long, or none of our business."""
    return f"{MASK} ({len(text)} characters)"


def _is_secret_setting(content: dict[str, Any]) -> bool:
    """Return whether this is a setting (1.6: `key`, 2.x: `variable`) whose value is secret."""
    variable = content.get("variable")
    name = variable.get("name") if isinstance(variable, dict) else content.get("key")
    return isinstance(name, str) and _SECRET_SETTING.search(name) is not None


def _without_login(text: str) -> str:
    return _QUERY.sub(f"?{MASK}", _LOGIN.sub(f"://{MASK}@", text))
