"""A profile made of entities that a user picked."""

from collections.abc import Mapping
from typing import Any

import yaml

from ..declarative.load import load_profile
from ..declarative.profile import ENTITIES, Confidence, Order, Profile, Role

ID = "entities_by_hand"

_READINGS = (
    Role.STATUS,
    Role.PLUGGED,
    Role.CHARGING,
    Role.POWER_W,
    Role.ENERGY_WH,
    Role.SESSION_ENERGY_WH,
    Role.CURRENT_A,
)
_STATUSES = ("available", "preparing", "charging", "suspended_ev", "suspended_evse", "faulted")


def entities_profile(chosen: Mapping[str, Any]) -> Profile:
    """Return the profile that picked entities make, read-only where none takes orders.

    `chosen`: entity ids by role (`power_w`), of the limit as `set_limit_a`, of the switch that
    lets flow as `set_pause`; `status_<word>` are the states, by commas, that mean a status.
    Raises `ProfileError`.
    """
    readings: dict[str, Any] = {
        role.value: {"entity": chosen[role.value]} for role in _READINGS if role.value in chosen
    }
    states = {
        state.strip(): word
        for word in _STATUSES
        for state in str(chosen.get(f"status_{word}", "")).split(",")
        if state.strip()
    }
    if Role.STATUS.value in readings and states:
        readings[Role.STATUS.value]["map"] = states
    orders: dict[str, Any] = {}
    if (limit := chosen.get("set_limit_a")) is not None:
        readings[Role.LIMIT_A.value] = {"entity": limit}
        orders[Order.LIMIT_A.value] = {
            "interval_s": 5,
            "read_back": Role.LIMIT_A.value,
            "write": [{"entity": limit, "memory": "unknown"}],
        }
    if (switch := chosen.get("set_pause")) is not None:
        orders[Order.PAUSE.value] = {"write": [{"entity": switch, "value": False}]}
        orders[Order.RESUME.value] = {"write": [{"entity": switch, "value": True}]}
    tree = {
        "format": 1,
        "id": ID,
        "vendor": "Home Assistant",
        "models": ["Home Assistant"],
        "protocol": ENTITIES,
        "confidence": Confidence.EXPERIMENTAL.value,
        "sources": ["picked by its user"],
        "readings": readings,
        "orders": orders,
    }
    return load_profile(yaml.safe_dump(tree, allow_unicode=True, width=10_000), name=ID)
