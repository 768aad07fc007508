"""A go-eCharger from V3 on, by its maker's description of the API keys: what it tells and takes.

No I/O: `told` are the values of its keys, `take` is what comes in at `<key>/set`. Currents are
amperes per phase, energies watt-hours.
"""

from __future__ import annotations

from collections.abc import Callable
import json
from typing import TypeIs

from ..clock import Clock
from ..plant import Evse, PlugState

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None

SUCCESS = "success"
_CHARGING = (PlugState.C, PlugState.D)
_FAULTY = (PlugState.E, PlugState.F)
_NEUTRAL, _FORCE_OFF, _FORCE_ON = 0, 1, 2
_OPEN, _WAIT_RFID = 0, 1
_IDLE, _CHARGES, _WAIT_CAR, _COMPLETE, _ERROR = 1, 2, 3, 4, 5
_CARDS = 10


class GoE:
    """The logic of a box with one outlet."""

    prefix = "go-eCharger"

    def __init__(
        self, serial: str, evse: Evse, clock: Clock, *, cards: tuple[str, ...] = ()
    ) -> None:
        """Make one that lets anyone charge. It has learned `cards`, ten at most (ValueError)."""
        if len(cards) > _CARDS:
            raise ValueError(f"it has place for {_CARDS} cards")
        self.serial = serial
        self.evse = evse
        self.clock = clock
        self.cards = cards
        self.limit_a = int(evse.max_current_a)
        self.force = _NEUTRAL
        self.phase_mode = 0
        self.access = _OPEN
        self.transaction: int | None = None
        """0: without a card, else the number of the card from 1 on; None: no transaction."""
        self.error = 0
        self._has_charged = False
        self._booted_at = clock.now()
        self._takes: dict[str, Callable[[Json], bool]] = {
            "amp": self._take_limit,
            "frc": self._take_force,
            "psm": self._take_phase_mode,
            "acs": self._take_access,
            "trx": self._take_transaction,
        }

    @property
    def allowed(self) -> bool:
        """Whether a car may charge now."""
        if self.force == _NEUTRAL:
            return self.access == _OPEN or self.transaction is not None
        return self.force == _FORCE_ON

    def settle(self) -> None:
        """Let the power side follow what holds now."""
        evse = self.evse
        evse.faulted = self.error != 0
        evse.limit_a = self.limit_a
        evse.phases_offered = 1 if self.phase_mode == 1 else evse.phases
        evse.energised = self.allowed
        if evse.car is not None and self.allowed and self.transaction is None:
            self.transaction = 0
        self._has_charged |= evse.state in _CHARGING

    def left(self) -> None:
        """The car has left."""
        self.transaction = None
        self._has_charged = False

    def tap(self, card: str) -> bool:
        """Hold a card to the reader; returns whether the box has learned it."""
        if card not in self.cards:
            return False
        self.transaction = self.cards.index(card) + 1
        return True

    def take(self, key: str, payload: str) -> str:
        """Take what came at `<key>/set` and return what is answered at `<key>/result`."""
        try:
            value = json.loads(payload)
        except ValueError:
            return "invalid json"
        if key not in self._takes:
            return "unknown key"
        return SUCCESS if self._takes[key](value) else "value out of range"

    def told(self) -> dict[str, Json]:
        """Return the values of all keys, the time since boot last."""
        evse = self.evse
        amperes = [round(current, 2) for current in evse.currents_a]
        volts = [round(voltage, 1) for voltage in evse.voltages_v]
        watts = [round(u * i, 1) for u, i in zip(evse.voltages_v, evse.currents_a, strict=True)]
        factors = [100 if current else 0 for current in amperes]
        most_a = int(evse.max_current_a)
        values: dict[str, Json] = {}
        for number, card in enumerate(self.cards):
            values |= {f"c{number}i": card, f"c{number}n": f"Card {number + 1}"}
        return values | {
            "var": 22 if most_a > 16 else 11,
            "sse": self.serial,
            "typ": "go-eCharger",
            "fwv": "60.4",
            "oem": "go-e",
            "fna": f"go-eCharger_{self.serial}",
            "ama": most_a,
            "mca": 6,
            "mcr": False,
            "pnp": evse.phases,
            "acs": self.access,
            "amp": self.limit_a,
            "frc": self.force,
            "psm": self.phase_mode,
            "trx": self.transaction,
            "err": self.error,
            "alw": self.allowed,
            "acu": int(evse.offer_a),
            "modelStatus": self._reason(),
            "nrg": [*volts, 0, *amperes, *watts, 0, round(evse.power_w, 1), *factors, 0],
            "wh": round(evse.delivered_wh, 3),
            "eto": evse.register_wh,
            "car": self._car(),
            "rbt": round((self.clock.now() - self._booted_at) * 1000),
        }

    def _car(self) -> int:
        evse = self.evse
        if evse.state in _FAULTY:
            return _ERROR
        if evse.car is None:
            return _IDLE
        if evse.state in _CHARGING:
            return _CHARGES
        return _COMPLETE if self._has_charged else _WAIT_CAR

    def _reason(self) -> int:
        """Why it charges or does not."""
        if self.error:
            return 26
        if self.force != _NEUTRAL:
            return 3 if self.force == _FORCE_ON else 4
        return 15 if self.allowed else 2

    def _take_limit(self, value: Json) -> bool:
        if not _whole(value, 6, int(self.evse.max_current_a)):
            return False
        self.limit_a = value
        return True

    def _take_force(self, value: Json) -> bool:
        if not _whole(value, _NEUTRAL, _FORCE_ON):
            return False
        self.force = value
        return True

    def _take_phase_mode(self, value: Json) -> bool:
        if not _whole(value, 0, 2):
            return False
        self.phase_mode = value
        return True

    def _take_access(self, value: Json) -> bool:
        if not _whole(value, _OPEN, _WAIT_RFID):
            return False
        self.access = value
        return True

    def _take_transaction(self, value: Json) -> bool:
        if value is not None and not _whole(value, 0, _CARDS):
            return False
        self.transaction = value
        return True


def _whole(value: Json, least: int, most: int) -> TypeIs[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
