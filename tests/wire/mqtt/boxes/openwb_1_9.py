"""An openWB 1.9 as a mere charge point: plain texts, kilowatt-hours, a heartbeat that counts."""

from __future__ import annotations

from .base import Box, Messages, whole

_TIMEOUT_S = 80


class OpenWb19(Box):
    prefix = "openWB"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.silent_s = 5.0

    def state(self) -> Messages:
        told: dict[str, object] = {
            "W": self.total_w,
            "kWhCounter": self.energy_wh / 1000,
            "kWhActualCharged": 0.5,
            "kWhChargedSincePlugged": self.session_wh / 1000,
            "boolPlugStat": int(self.plugged),
            "boolChargeStat": int(self.charging),
            "boolChargePointConfigured": 1,
            "ChargePointEnabled": 1,
            "AConfigured": int(self.limit_a),
            "countPhasesInUse": self.phases,
            "LastScannedRfidTag": self.token,
            "strChargePointName": "Hof",
        }
        for number in (1, 2, 3):
            told[f"APhase{number}"] = self.amps[number - 1]
            told[f"VPhase{number}"] = self.volts[number - 1]
        yield f"{self.prefix}/system/Timestamp", str(int(self.now))
        yield from ((f"{self.prefix}/lp/1/{key}", str(value)) for key, value in told.items())

    def heed(self, topic: str, payload: str) -> Messages:
        if topic == f"{self.prefix}/set/isss/Current":
            self.limit_a = whole(payload, 0, 32)
            self.paused = self.limit_a == 0
        elif topic == f"{self.prefix}/set/isss/U1p3p":
            self.phases = {"1": 1, "3": 3}[payload]
        elif topic == f"{self.prefix}/set/isss/heartbeat":
            self.silent_s = whole(payload, 0, 0)
        yield from ()

    def pass_time(self, seconds: float) -> None:
        self.silent_s += seconds
        if self.silent_s > _TIMEOUT_S:
            self.limit_a = 0
            self.paused = True
