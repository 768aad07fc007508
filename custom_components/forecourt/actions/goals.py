"""Goals: what a charge is for, at an outlet or for a user wherever they charge."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from homeassistant.const import ATTR_DEVICE_ID, ATTR_MODE, WEEKDAYS
from homeassistant.core import ServiceCall
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
import probatio as vol

from ..const import MAX_TARGET_WH
from ..core.model.goal import NO_GOAL, ChargeMode, Goal
from ..errors import invalid
from .asking import ATTR_USER, Action, Caller, caller_of, evse_meant, the_hub, utc

SERVICE_SET_GOAL = "set_goal"

ATTR_BUDGET = "budget"
ATTR_ENERGY = "energy"
ATTR_MINIMUM_ENERGY = "minimum_energy"
ATTR_PRICE_CAP = "price_cap"
ATTR_READY_AT = "ready_at"
ATTR_READY_TIME = "ready_time"
ATTR_REPLACE = "replace"
ATTR_TARGET_SOC = "target_soc"
ATTR_WEEKDAYS = "weekdays"

_KWH = vol.All(vol.Coerce(float), vol.Range(min=0, max=MAX_TARGET_WH / 1000))
_MONEY = vol.All(vol.Coerce(float), vol.Range(min=-1000, max=1000))

GOAL_SCHEMA = vol.Schema(
    {
        vol.Optional(ATTR_MODE): vol.Coerce(ChargeMode),
        vol.Optional(ATTR_ENERGY): _KWH,
        vol.Optional(ATTR_TARGET_SOC): vol.All(vol.Coerce(int), vol.Range(min=1, max=100)),
        vol.Exclusive(ATTR_READY_AT, "ready"): utc,
        vol.Exclusive(ATTR_READY_TIME, "ready"): cv.time,
        vol.Optional(ATTR_WEEKDAYS): vol.All(cv.weekdays, vol.Length(min=1)),
        vol.Optional(ATTR_MINIMUM_ENERGY): _KWH,
        vol.Optional(ATTR_PRICE_CAP): _MONEY,
        vol.Optional(ATTR_BUDGET): vol.All(vol.Coerce(float), vol.Range(min=0)),
    }
)


def _wh(kwh: float) -> int:
    return round(kwh * 1000)


def _money(value: float) -> Decimal:
    return Decimal(str(value))


def _days(names: list[str]) -> tuple[int, ...]:
    return tuple(sorted(WEEKDAYS.index(name) for name in names))


_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    ATTR_MODE: ("mode", ChargeMode),
    ATTR_ENERGY: ("energy_wh", lambda kwh: _wh(kwh) or None),
    ATTR_TARGET_SOC: ("target_soc_percent", int),
    ATTR_WEEKDAYS: ("weekdays", _days),
    ATTR_MINIMUM_ENERGY: ("minimum_wh", _wh),
    ATTR_PRICE_CAP: ("price_cap", _money),
    ATTR_BUDGET: ("budget", _money),
}
"""Which part of a goal each field is, and how it is read."""


def goal_of(data: dict[str, Any], before: Goal, now: datetime) -> Goal:
    """Return the goal that was asked for; what is not named stays as it was before."""
    changes = {field: read(data[name]) for name, (field, read) in _FIELDS.items() if name in data}
    if (at := data.get(ATTR_READY_AT)) is not None:
        if at <= now:
            raise invalid("goal_in_past")
        changes |= {"ready_at": at, "ready_time": None}
    if ATTR_READY_TIME in data:
        changes |= {"ready_time": data[ATTR_READY_TIME], "ready_at": None}
    return replace(before, **changes)


async def _set_goal(call: ServiceCall) -> None:
    now = dt_util.utcnow()
    afresh = call.data[ATTR_REPLACE]
    if ATTR_DEVICE_ID in call.data:
        hub, evse = evse_meant(call)
        caller = await caller_of(call, hub)
        state = hub.site.board[evse]
        _must_be_theirs(caller, None if state.session is None else state.session.user_id)
        before = NO_GOAL if afresh else state.wanted
        hub.site.goals.ask(evse, goal_of(dict(call.data), before, now))
        return
    hub = the_hub(call.hass)
    caller = await caller_of(call, hub)
    name = call.data.get(ATTR_USER)
    user = caller.user if name is None else caller.find(name)
    if user is None:
        raise invalid("nobody_named")
    before = NO_GOAL if afresh else hub.site.goals.users.get(user.id, NO_GOAL)
    hub.site.goals.ask_for_user(user.id, goal_of(dict(call.data), before, now))


def _must_be_theirs(caller: Caller, user_id: str | None) -> None:
    """Let a login change the goal of its own charge only."""
    if not caller.privileged and (caller.user is None or caller.user.id != user_id):
        raise invalid("not_your_session")


ACTIONS = (
    Action(
        name=SERVICE_SET_GOAL,
        handler=_set_goal,
        schema=GOAL_SCHEMA.extend(
            {
                vol.Exclusive(ATTR_DEVICE_ID, "whose"): cv.string,
                vol.Exclusive(ATTR_USER, "whose"): cv.string,
                vol.Optional(ATTR_REPLACE, default=False): cv.boolean,
            }
        ),
    ),
)
