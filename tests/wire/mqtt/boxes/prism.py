"""A Silla Prism: numbers as texts, a hello with its serial, answers in the topic."""

from __future__ import annotations

import re

from .base import Box, Messages


class Prism(Box):
    prefix = "prism"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.number = 3
        self.mode = 2
        self.error = 0
        self.hello = "Silla-Prism 4.4.4 (mqtt:user_v1) (serial A00006)"
        self.angry = False

    def state(self) -> Messages:
        told: dict[str, object] = {
            "state": self.number,
            "mode": self.mode,
            "volt": self.volts[0],
            "w": self.total_w,
            "amp": round(self.amps[0] * 1000),
            "pilot": int(self.limit_a),
            "user_amp": 31,
            "session_time": 777,
            "wh": self.session_wh,
            "wh_total": self.energy_wh,
            "error": self.error,
        }
        yield f"{self.prefix}/hello", self.hello
        yield from ((f"{self.prefix}/1/{key}", str(value)) for key, value in told.items())

    def heed(self, topic: str, payload: str) -> Messages:
        base, _, command = topic.partition(f"{self.prefix}/1/command/")
        if base or not command:
            return
        good = not self.angry
        if good and command == "set_mode" and payload in ("1", "2", "3"):
            self.mode = int(payload)
            self.paused = self.mode == 3
        elif good and command == "set_current_limit" and re.fullmatch(r"\d+\.\d", payload):
            self.limit_a = float(payload)
        else:
            good = False
        yield f"{self.prefix}/commandresult/{command}/{'success' if good else 'error'}", ""
