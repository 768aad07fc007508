"""How models of boxes show an outlet in registers, by their manuals; and what they take.

A face writes the state of the outlets into tables, and takes what is written to them. Addresses
are those on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
import struct
from typing import Protocol

from ..plant import PlugState
from .outlet import Outlet
from .server import TAKEN, Request, Tables

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_CHARGING = (PlugState.C, PlugState.D)
_FAULTY = (PlugState.E, PlugState.F)


class Face(Protocol):
    """A model of a box."""

    units: dict[int, Tables]
    max_registers: int

    def show(self, outlets: Mapping[int, Outlet]) -> None:
        """Bring the tables up to date."""

    def take(self, request: Request, outlets: Mapping[int, Outlet]) -> int | None:
        """Take a write; returns `TAKEN` or the exception that refuses it."""


def put_u32(table: dict[int, int], address: int, value: float) -> None:
    whole = max(0, min(0xFFFFFFFF, round(value)))
    table |= {address: whole >> 16, address + 1: whole & 0xFFFF}


def put_float(table: dict[int, int], address: int, value: float, *, double: bool = False) -> None:
    packed = struct.pack(">d" if double else ">f", value)
    table |= enumerate(struct.unpack(f">{len(packed) // 2}H", packed), address)


def put_text(table: dict[int, int], address: int, text: str, count: int) -> None:
    packed = text.encode().ljust(2 * count, b"\0")
    table |= enumerate(struct.unpack(f">{count}H", packed), address)


class Generic:
    """A box like many: one block of holding registers, unit 1, 100 registers per outlet.

    0 state (0 free, 1 plugged, 2 charging, 3 paused, 4 fault), 1 to 3 currents (0.1 A), 4 power
    (u32, W), 6 energy (u32, Wh), 8 limit (A), 9 enabled, 10 watchdog (s), 11 fallback (A).
    8 to 11 take functions 6 and 16; any write renews the watchdog.
    """

    max_registers = 125

    def __init__(self) -> None:
        self.units = {1: Tables()}

    def show(self, outlets: Mapping[int, Outlet]) -> None:
        table = self.units[1].holding
        for outlet in outlets.values():
            at, evse = 100 * (outlet.number - 1), outlet.evse
            state = 4 if evse.state in _FAULTY else 0 if evse.car is None else 1
            if state == 1:
                state = 2 if evse.state in _CHARGING else 1 if outlet.enabled else 3
            currents = (round(current * 10) for current in evse.currents_a)
            table |= enumerate((state, *currents), at)
            put_u32(table, at + 4, evse.power_w)
            put_u32(table, at + 6, evse.register_wh)
            told = (outlet.limit_a, outlet.enabled, outlet.watchdog_s, outlet.fallback_a)
            table |= enumerate(map(int, told), at + 8)

    def take(self, request: Request, outlets: Mapping[int, Outlet]) -> int | None:
        if request.function not in (6, 16):
            return _ILLEGAL_FUNCTION
        for address, value in enumerate(request.values or (), request.address):
            outlet = outlets.get(address // 100 + 1)
            if outlet is None or not 8 <= address % 100 <= 11:
                return _ILLEGAL_ADDRESS
            match address % 100:
                case 8:
                    outlet.limit_a = value
                case 9:
                    outlet.enabled = bool(value)
                case 10:
                    outlet.watchdog_s = value
                case _:
                    outlet.fallback_a = value
            outlet.heard()
        return TAKEN


class KebaP30:
    """A KEBA KeContact P30: unit 255, two registers a request, orders by function 6 only."""

    max_registers = 2

    def __init__(self) -> None:
        self.units = {255: Tables()}

    def show(self, outlets: Mapping[int, Outlet]) -> None:
        outlet = outlets[1]
        evse, table = outlet.evse, self.units[255].holding
        state = 4 if evse.state in _FAULTY else 1 if evse.car is None else 2
        if state == 2:
            state = 3 if evse.state in _CHARGING else 2 if outlet.enabled else 5
        first, second, third = evse.currents_a
        values = {
            1000: state,
            1004: 1 if evse.car is None else 7,
            1006: 0,
            1008: first * 1000,
            1010: second * 1000,
            1012: third * 1000,
            1014: 21_212_121,
            1016: 314_131,
            1018: 0x030A_3900,
            1020: evse.power_w * 1000,
            1036: evse.register_ws / 360,
            1046: 1000,
            1100: evse.limit_a * 1000,
            1110: evse.max_current_a * 1000,
            1500: int(outlet.token or "0", 16),
            1502: evse.delivered_wh * 10,
            1550: 3,
            1552: evse.phases_offered == 3,
            1600: outlet.fallback_a * 1000,
            1602: outlet.watchdog_s,
        }
        values |= {1040 + 2 * index: volts for index, volts in enumerate(evse.voltages_v)}
        for address, value in values.items():
            put_u32(table, address, value)

    def take(self, request: Request, outlets: Mapping[int, Outlet]) -> int | None:
        if request.function != 6 or request.values is None:
            return _ILLEGAL_FUNCTION
        outlet, value = outlets[1], request.values[0]
        match request.address:
            case 5004 if 6000 <= value <= 63_000:
                outlet.limit_a = value / 1000
            case 5014 if value in (0, 1):
                outlet.enabled = bool(value)
            case 5016 if value == 0 or 6000 <= value <= 63_000:
                outlet.fallback_a = value / 1000
            case 5018 if value == 0 or 10 <= value <= 600:
                outlet.watchdog_s = value
            case 5052 if value in (0, 1):
                outlet.evse.phases_offered = 3 if value else 1
            case 5010 | 5012 | 5020 | 5050:
                pass
            case 5004 | 5014 | 5016 | 5018 | 5052:
                return _ILLEGAL_VALUE
            case _:
                return _ILLEGAL_ADDRESS
        outlet.heard()
        return TAKEN


class AlfenEve:
    """An Alfen Eve: units 1 and 2 are the sockets, 200 the station; orders by function 16 only.

    A setpoint holds for the validity time (60 s), then the safe current does.
    """

    max_registers = 125
    validity_s = 60.0

    def __init__(self) -> None:
        self.units = {200: Tables(), 1: Tables(), 2: Tables()}

    def show(self, outlets: Mapping[int, Outlet]) -> None:
        station = self.units[200].holding
        for address, text, count in (
            (100, "ALF_0000000", 17),
            (117, "Alfen NV", 5),
            (123, "6.6.0-4306", 17),
            (140, "NG910", 17),
            (157, "ACE0000000", 11),
        ):
            put_text(station, address, text, count)
        most_a = sum(outlet.evse.max_current_a for outlet in outlets.values())
        put_float(station, 1100, most_a)
        station |= {122: 1, 1104: 1, 1105: len(outlets)}
        for unit in set(self.units) - {200} - set(outlets):
            del self.units[unit]
        for number, outlet in outlets.items():
            self._show(self.units[number].holding, outlet)

    def _show(self, table: dict[int, int], outlet: Outlet) -> None:
        evse = outlet.evse
        table |= dict.fromkeys(range(300, 425), 0) | {1200: 1, 1214: 1}
        for address, values in ((306, evse.voltages_v), (320, evse.currents_a)):
            for index, value in enumerate(values):
                put_float(table, address + 2 * index, value)
        put_float(table, 344, evse.power_w)
        put_float(table, 374, evse.register_ws / 3600, double=True)
        put_text(table, 1201, self._state(outlet), 5)
        put_float(table, 1206, evse.limit_a)
        put_u32(table, 1208, outlet.left_s)
        put_float(table, 1210, outlet.limit_a)
        put_float(table, 1212, outlet.fallback_a)
        table[1215] = 3 if evse.phases_offered == 3 else 1

    @staticmethod
    def _state(outlet: Outlet) -> str:
        evse = outlet.evse
        if evse.state in _FAULTY:
            return evse.state.value
        if evse.car is None:
            return "A"
        return "C2" if evse.state in _CHARGING else "B2" if evse.offer_a else "B1"

    def take(self, request: Request, outlets: Mapping[int, Outlet]) -> int | None:
        if request.function != 16 or request.values is None:
            return _ILLEGAL_FUNCTION
        outlet = outlets.get(request.unit)
        if outlet is None:
            return _ILLEGAL_ADDRESS
        match request.address, request.values:
            case 1210, (high, low):
                (outlet.limit_a,) = struct.unpack(">f", struct.pack(">HH", high, low))
            case 1215, (1 | 3 as phases,):
                outlet.evse.phases_offered = phases
            case 1210 | 1215, _:
                return _ILLEGAL_VALUE
            case _:
                return _ILLEGAL_ADDRESS
        outlet.watchdog_s = self.validity_s
        outlet.heard()
        return TAKEN


FACES: dict[str, type[Generic | KebaP30 | AlfenEve]] = {
    "generic": Generic,
    "keba_p30": KebaP30,
    "alfen_eve": AlfenEve,
}
"""The models, by name."""
