"""An openWB 2.x in the mode 'secondary': outlets from 0, JSON, pauses without a heartbeat."""

from __future__ import annotations

import json

from .base import Box, Messages, strict

_TIMEOUT_S = 80


class OpenWb2(Box):
    prefix = "openWB"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.fault_state = 0
        self.heartbeat = self.now
        self.phases_to_use = 3

    def state(self) -> Messages:
        told: dict[str, object] = {
            "power": self.total_w,
            "powers": self.watts,
            "currents": self.amps,
            "voltages": self.volts,
            "imported": self.energy_wh,
            "exported": 0,
            "phases_in_use": self.phases,
            "plug_state": self.plugged,
            "charge_state": self.charging,
            "evse_current": self.limit_a,
            "max_evse_current": self.max_a,
            "rfid": self.token,
            "serial_number": "493826",
            "frequency": 50.02,
            "fault_state": self.fault_state,
            "fault_str": "Keine Störung.",
            "version": "2.1.7",
        }
        base = f"{self.prefix}/internal_chargepoint/0/get"
        yield from ((f"{base}/{key}", json.dumps(value)) for key, value in told.items())

    def heed(self, topic: str, payload: str) -> Messages:
        base = f"{self.prefix}/set/internal_chargepoint"
        if topic == f"{base}/0/data/set_current":
            current = json.loads(payload)
            if type(current) not in (int, float) or not 0 <= current <= 32:
                raise ValueError(payload)
            self.limit_a = current
            self.paused = current == 0
        elif topic == f"{base}/0/data/phases_to_use":
            self.phases_to_use = {"1": 1, "3": 3}[payload]
        elif topic == f"{base}/0/data/trigger_phase_switch":
            if json.loads(payload) is True:
                self.phases = self.phases_to_use
        elif topic == f"{base}/last_tag":
            if json.loads(payload) is None:
                self.token = ""
        elif topic == f"{base}/global_data":
            told = strict(payload, "heartbeat", "parent_ip")
            if not isinstance(told["parent_ip"], (str, type(None))):
                raise ValueError(payload)
            self.heartbeat = int(told["heartbeat"])
        yield from ()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.now - self.heartbeat > _TIMEOUT_S:
            self.limit_a = 0
            self.paused = True
