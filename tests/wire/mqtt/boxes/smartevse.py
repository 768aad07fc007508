"""A SmartEVSE: plain texts and tenths of an ampere, retained, with a last will."""

from __future__ import annotations

from .base import Box, Messages, whole


class SmartEvse(Box):
    prefix = "SmartEVSE/123456"
    online = ("SmartEVSE/123456/connected", "online")
    offline = ("SmartEVSE/123456/connected", "offline")

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.state_id = "C"
        self.mode = "Normal"
        self.error = "None"
        self.override = 130
        self.token = "04A1B2C3"

    def state(self) -> Messages:
        told: dict[str, object] = {
            "State": "Charging",
            "StateID": self.state_id,
            "EVPlugState": "Connected" if self.plugged else "Disconnected",
            "Access": "Allow",
            "Mode": self.mode,
            "ChargeCurrent": 90,
            "ChargeCurrentOverride": self.override,
            "MaxCurrent": round(self.max_a * 10),
            "MaxSumMains": 25,
            "NrOfPhases": self.phases,
            "EVCurrentL1": round(self.amps[0] * 10 + 0.5),
            "EVCurrentL2": round(self.amps[1] * 10),
            "EVCurrentL3": round(self.amps[2] * 10 + 0.5),
            "EVChargePower": round(self.total_w),
            "EVEnergyCharged": round(self.session_wh),
            "EVTotalEnergyCharged": 999,
            "EVImportActiveEnergy": round(self.energy_wh),
            "Error": self.error,
            "RFID": "Ready to read card",
            "RFIDLastRead": self.token,
        }
        yield from ((f"{self.prefix}/{key}", str(value)) for key, value in told.items())

    def heed(self, topic: str, payload: str) -> Messages:
        if topic == f"{self.prefix}/Set/Mode":
            if payload not in ("Off", "Normal", "Smart", "Solar", "Pause"):
                raise ValueError(payload)
            self.mode = payload
            self.paused = payload in ("Off", "Pause")
        elif topic == f"{self.prefix}/Set/CurrentOverride" and self.mode in ("Normal", "Smart"):
            self.override = 0 if payload == "0" else whole(payload, 60, 320)
            self.limit_a = self.override / 10
        yield from ()
