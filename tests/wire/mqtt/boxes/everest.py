"""A station with EVerest's module API: JSON objects every second, commands beside them."""

from __future__ import annotations

import json

from .base import Box, Messages


class Everest(Box):
    prefix = "everest_api/connector_1"
    retained = False

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.word = "Charging"

    def state(self) -> Messages:
        lines = ("L1", "L2", "L3")
        yield "everest_api/connectors", '["connector_1"]'
        session = {
            "charged_energy_wh": self.session_wh,
            "charging_duration_s": 1800,
            "latest_total_w": 1.0,
            "state": self.word,
        }
        yield f"{self.prefix}/var/session_info", json.dumps(session)
        meter = {
            "current_A": dict(zip(lines, self.amps, strict=True)) | {"N": 0.5},
            "voltage_V": dict(zip(lines, self.volts, strict=True)),
            "power_W": dict(zip(lines, self.watts, strict=True)) | {"total": self.total_w},
            "energy_Wh_import": {"L1": 1, "L2": 2, "L3": 3, "total": self.energy_wh},
            "frequency_Hz": {"L1": 50.0},
        }
        yield f"{self.prefix}/var/powermeter", json.dumps(meter)

    def heed(self, topic: str, payload: str) -> Messages:
        base, _, command = topic.partition(f"{self.prefix}/cmd/")
        if base:
            return
        if command == "set_limit_amps":
            self.limit_a = float(payload)
        elif command == "pause_charging":
            self.paused = True
        elif command == "resume_charging":
            self.paused = False
        elif command == "force_unlock":
            self.unlocked = int(payload)
        yield from ()
