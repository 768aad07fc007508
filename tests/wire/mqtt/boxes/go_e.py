"""A go-eCharger with API v2 over MQTT: keys as JSON, retained; `/set` is answered at `/result`."""

from __future__ import annotations

import json

from .base import Box, Messages, whole


class GoE(Box):
    prefix = "go-eCharger/226305"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.car: int | None = 2
        self.err: int | None = 0
        self.frc = 0
        self.psm = 2
        self.read_only = False

    def state(self) -> Messages:
        nrg = [*self.volts, 3, *self.amps, *self.watts, 17, self.total_w, 99, 98, 97, 96]
        keys = {
            "rbt": 123456,
            "var": 22,
            "sse": "226305",
            "typ": "go-eCharger",
            "fwv": "60.4",
            "oem": "go-e",
            "car": self.car,
            "err": self.err,
            "frc": self.frc,
            "amp": int(self.limit_a),
            "ama": int(self.max_a),
            "psm": self.psm,
            "nrg": nrg,
            "wh": self.session_wh,
            "eto": int(self.energy_wh),
        }
        yield from ((f"{self.prefix}/{key}", json.dumps(value)) for key, value in keys.items())

    def heed(self, topic: str, payload: str) -> Messages:
        base, _, rest = topic.partition(f"{self.prefix}/")
        key, _, verb = rest.partition("/")
        if base or verb != "set":
            return
        result = f"{self.prefix}/{key}/result"
        if self.read_only:
            yield result, "mqtt is read only"
            return
        try:
            value = json.loads(payload)
        except ValueError:
            yield result, "invalid json near the end"
            return
        if key == "amp":
            self.limit_a = whole(str(value), 6, 32)
        elif key == "frc":
            self.frc = whole(str(value), 0, 2)
            self.paused = self.frc == 1
        elif key == "psm":
            self.psm = whole(str(value), 0, 2)
            self.phases = {1: 1, 2: 3}.get(self.psm, 0)
        else:
            return
        yield result, "success"
