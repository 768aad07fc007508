"""What an EVSE looks like from outside, ready for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .outlet import Outlet


def snapshot(outlet: Outlet) -> dict[str, Any]:
    """Return the state of an EVSE, in the words that both faces of the simulator have for it."""
    evse, car, running = outlet.evse, outlet.evse.car, outlet.transaction
    permit = outlet.permit
    token = None if running is None else running.token
    return {
        "connector": outlet.number,
        "status": outlet.status,
        "charging_state": None if running is None else outlet.charging_state,
        "error_code": outlet.connectors[outlet.plugged or 1].error_code,
        "plugged": outlet.plugged,
        "plug_state": str(evse.state),
        "car": None if car is None else car.model.name,
        "soc": None if car is None else round(car.soc, 4),
        "asleep": None if car is None else car.asleep,
        "limit_a": round(evse.limit_a, 2),
        "offer_a": round(evse.offer_a, 2),
        "phases_offered": evse.phases_offered,
        "currents_a": [round(current, 2) for current in evse.currents_a],
        "power_w": round(evse.power_w, 1),
        "register_wh": evse.register_wh,
        "delivered_wh": round(evse.delivered_wh, 3),
        "transaction_id": None if running is None else running.transaction_id,
        "id_tag": None if token is None else token.value,
        "total_cost": None if running is None else running.total_cost,
        "waiting_for_plug": permit is not None and permit.until is not None,
    }
