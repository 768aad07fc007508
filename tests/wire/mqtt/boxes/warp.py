"""A WARP Charger: JSON objects, nothing retained, `_update` topics, a slot for outsiders."""

from __future__ import annotations

import json

from .base import Box, Messages, strict


class Warp(Box):
    prefix = "warp3/2aBc"
    retained = False

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.charger_state = 3
        self.error_state = 0
        self.slot_enabled = False

    def state(self) -> Messages:
        told: dict[str, object] = {
            "info/name": {
                "name": "warp3-2aBc",
                "type": "warp3",
                "display_type": "WARP3 Charger Pro",
                "uid": "2aBc",
            },
            "evse/hardware_configuration": {
                "jumper_configuration": 6,
                "evse_version": 30,
                "energy_meter_type": 2,
            },
            "evse/low_level_state": {"uptime": 1234567, "phases_current": 3, "temperature": 2712},
            "evse/state": {
                "iec61851_state": 2,
                "charger_state": self.charger_state,
                "allowed_charging_current": 12000,
                "contactor_state": 3,
                "contactor_error": 0,
                "error_state": self.error_state,
                "lock_state": 5,
                "dc_fault_current_state": 0,
            },
            "evse/external_enabled": {"enabled": self.slot_enabled},
            "evse/external_current": {"current": round(self.limit_a * 1000)},
            "meter/values": {
                "power": self.total_w,
                "energy_rel": 17.5,
                "energy_abs": self.energy_wh / 1000,
            },
        }
        yield from ((f"{self.prefix}/{name}", json.dumps(what)) for name, what in told.items())

    def heed(self, topic: str, payload: str) -> Messages:
        if topic == f"{self.prefix}/evse/external_enabled_update":
            enabled = strict(payload, "enabled")["enabled"]
            if not isinstance(enabled, bool):
                raise ValueError(payload)
            self.slot_enabled = enabled
        elif topic == f"{self.prefix}/evse/external_current_update":
            current = strict(payload, "current")["current"]
            if type(current) is not int or not (current == 0 or 6000 <= current <= 32000):
                raise ValueError(payload)
            if self.slot_enabled:
                self.limit_a = current / 1000
                self.paused = current == 0
        elif topic == f"{self.prefix}/power_manager/external_control_update":
            wanted = strict(payload, "phases_wanted")["phases_wanted"]
            if wanted not in (1, 3):
                raise ValueError(payload)
            self.phases = wanted
        yield from ()
