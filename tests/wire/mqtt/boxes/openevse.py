"""An OpenEVSE gateway: one topic per key, announced with its base, told by claims."""

from __future__ import annotations

import json

from .base import Box, Messages, strict


class OpenEvse(Box):
    prefix = "openevse-7d2c"
    online = (
        "openevse/announce/7d2c",
        '{"state":"connected","id":"a4cf12f07d2c","mqtt":"openevse-7d2c","http":"http://192.0.2.7/"}',
    )
    offline = ("openevse/announce/7d2c", '{"state":"disconnected","id":"a4cf12f07d2c"}')
    retained = False

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.number = 3

    def state(self) -> Messages:
        told: dict[str, object] = {
            "state": self.number,
            "vehicle": int(self.plugged),
            "amp": round(self.amps[0] * 1000),
            "pilot": int(self.limit_a),
            "max_current": int(self.max_a),
            "voltage": self.volts[0],
            "power": self.total_w,
            "wattsec": round(self.session_wh * 3600),
            "watthour": self.energy_wh,
            "temp": False,
            "elapsed": 1234,
        }
        yield f"{self.prefix}/status", "disabled" if self.paused else "active"
        yield from ((f"{self.prefix}/{key}", json.dumps(value)) for key, value in told.items())

    def heed(self, topic: str, payload: str) -> Messages:
        if topic == f"{self.prefix}/claim/set":
            claim = strict(payload, "state", "charge_current", "max_current", "auto_release")
            state = claim.get("state")
            if state not in (None, "active", "disabled"):
                raise ValueError(payload)
            if type(claim.get("auto_release", False)) is not bool:
                raise ValueError(payload)
            self.paused = state == "disabled"
            if "charge_current" in claim:
                self.limit_a = claim["charge_current"]
        yield from ()
