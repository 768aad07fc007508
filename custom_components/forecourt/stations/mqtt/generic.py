"""A profile made of what a user fills in about a box that nobody has written one for."""

from collections.abc import Mapping
from typing import Any

import yaml

from ..declarative.load import load_profile
from ..declarative.profile import MQTT, Confidence, Order, Profile, Role

ID = "generic_mqtt"

_READINGS: dict[str, Role] = {
    "status": Role.STATUS,
    "plugged": Role.PLUGGED,
    "charging": Role.CHARGING,
    "power": Role.POWER_W,
    "energy": Role.ENERGY_WH,
    "session_energy": Role.SESSION_ENERGY_WH,
    "current": Role.CURRENT_A,
    "current_1": Role.CURRENT_A_1,
    "current_2": Role.CURRENT_A_2,
    "current_3": Role.CURRENT_A_3,
    "limit": Role.LIMIT_A,
    "token": Role.TOKEN,
}
_UNITS: dict[str, float] = {"W": 1, "kW": 1000, "Wh": 1, "kWh": 1000, "A": 1, "mA": 0.001}
_STATUSES = ("available", "preparing", "charging", "suspended_ev", "suspended_evse", "faulted")
_TRUTHS = ("plugged", "charging")
_TEXTS = ("status", "token")


def generic_profile(answers: Mapping[str, Any]) -> Profile:
    """Return the profile that the answers of a form make, read-only where no order is filled in.

    Of each reading (`status`, `plugged`, `charging`, `power`, `energy`, `session_energy`,
    `current`, `current_1` to `_3`, `limit`, `token`): `<reading>_topic`, and if wanted
    `<reading>_path` (keys into JSON, joined by dots) and `<reading>_unit` (W, kW, Wh, kWh, A,
    mA). `status_<word>` are the payloads, by commas, that mean a status; `plugged_yes` and
    `plugged_no`, `charging_yes` and `charging_no` those of a truth.

    Of each order (`limit`, `pause`, `resume`): `set_<order>_topic` and `set_<order>_payload`,
    which may hold `{value}`; `set_limit_unit`. Besides `vendor`, `model`, `phases`, `min_a`,
    `max_a`, `online_topic`, `online_payload`, `stale_after_s`. Empty answers count as none.
    Raises `ProfileError`, which says what is wrong.
    """
    given = {key: value for key, value in answers.items() if value not in (None, "")}
    transport: dict[str, Any] = {"prefix": "{id}"}
    if "online_topic" in given:
        transport["availability"] = {"topic": given["online_topic"], "json": False}
        if "online_payload" in given:
            transport["online"] = _exactly(given["online_payload"])
    if "stale_after_s" in given:
        transport["stale_after_s"] = given["stale_after_s"]
    current = {"min": given.get("min_a", 6), "max": given.get("max_a", 16)}
    tree = {
        "format": 1,
        "id": ID,
        "vendor": given.get("vendor", "MQTT"),
        "models": [given.get("model", "MQTT")],
        "protocol": MQTT,
        "confidence": Confidence.EXPERIMENTAL.value,
        "sources": ["filled in by its user"],
        "transport": transport,
        "phases": given.get("phases", 3),
        "current_a": current,
        "has_rfid": "token_topic" in given,
        "readings": {
            role.value: _reading(name, given)
            for name, role in _READINGS.items()
            if f"{name}_topic" in given
        },
        "orders": _orders(given),
    }
    return load_profile(yaml.safe_dump(tree, allow_unicode=True, width=10_000), name=ID)


def _reading(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    reading: dict[str, Any] = {"topic": given[f"{name}_topic"]}
    path = str(given.get(f"{name}_path", ""))
    if path:
        reading["path"] = [int(s) if s.isdecimal() else s for s in path.split(".")]
    elif name in (*_TEXTS, *_TRUTHS):
        # A bare word is no JSON; numbers and true or false are read all the same.
        reading["json"] = False
    if name == "status":
        meant = {
            word: status for status in _STATUSES for word in _words(given.get(f"status_{status}"))
        }
        if meant:
            reading["map"] = meant
    elif name in _TRUTHS:
        told = dict.fromkeys(_words(given.get(f"{name}_yes")), True)
        told |= dict.fromkeys(_words(given.get(f"{name}_no")), False)
        if told:
            reading["map"] = told
    elif (unit := given.get(f"{name}_unit")) is not None and _UNITS[unit] != 1:
        reading["scale"] = _UNITS[unit]
    return reading


def _orders(given: Mapping[str, Any]) -> dict[str, Any]:
    orders: dict[str, Any] = {}
    for name, order in (
        ("limit", Order.LIMIT_A),
        ("pause", Order.PAUSE),
        ("resume", Order.RESUME),
    ):
        if (topic := given.get(f"set_{name}_topic")) is None:
            continue
        write: dict[str, Any] = {"topic": topic, "memory": "unknown"}
        if (payload := given.get(f"set_{name}_payload")) is not None:
            write["payload"] = str(payload)
        scale = _UNITS[given.get(f"set_{name}_unit", "A")]
        if scale != 1:
            write["scale"] = scale
        orders[order.value] = {"write": [write]}
        if order is Order.LIMIT_A:
            if given.get("zero_pauses"):
                orders[order.value]["zero_pauses"] = True
            if "limit_topic" in given:
                orders[order.value]["read_back"] = Role.LIMIT_A.value
    return orders


def _words(text: object) -> list[str]:
    return [word.strip() for word in str(text or "").split(",") if word.strip()]


def _exactly(text: object) -> str:
    """Return the regular expression that means this text."""
    special = ".^$*+?{}[]\\|()"
    return "".join(f"\\{c}" if c in special else c for c in str(text))
