"""What each box tells and heeds, in the words of its maker beside those of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from custom_components.forecourt.stations.declarative.profile import Order, Role, Scalar

from .boxes.base import Box
from .boxes.everest import Everest
from .boxes.go_e import GoE
from .boxes.openevse import OpenEvse
from .boxes.openwb_1_9 import OpenWb19
from .boxes.openwb_2 import OpenWb2
from .boxes.prism import Prism
from .boxes.smartevse import SmartEvse
from .boxes.warp import Warp

R = Role
_AMPS = {R.CURRENT_A_1: 11.25, R.CURRENT_A_2: 10.5, R.CURRENT_A_3: 9.75}
_VOLTS = {R.VOLTAGE_V_1: 231.5, R.VOLTAGE_V_2: 229.25, R.VOLTAGE_V_3: 228.75}
_WATTS = {R.POWER_W_1: 2604, R.POWER_W_2: 2407, R.POWER_W_3: 2230, R.POWER_W: 7241}
_ENERGY = {R.ENERGY_WH: 1_234_567}
_SESSION = {R.SESSION_ENERGY_WH: 4200}

type Effect = tuple[Order, Scalar | None, Callable[[Any], bool]]


@dataclass(frozen=True)
class Case:
    """`told`: all that it tells as it comes. `scenes`: an attribute set, and what it means.

    `effects`: orders one after the other, and what is true of the box then. `whatever`: orders
    whose payload the maker says does not matter.
    """

    profile: str
    box: type[Box]
    box_id: str
    prefix: str | None
    told: dict[Role, Scalar | None]
    scenes: list[tuple[str, Any, dict[Role, Scalar | None]]]
    effects: list[Effect]
    whatever: frozenset[Order] = field(default_factory=frozenset)


def _limits(*amps: float) -> list[Effect]:
    return [(Order.LIMIT_A, a, lambda box, a=a: box.limit_a == a and not box.paused) for a in amps]


def _phases(wait: str = "phases") -> list[Effect]:
    return [(Order.PHASES, n, lambda box, n=n: getattr(box, wait) == n) for n in (1, 3)]


_PAUSE: Effect = (Order.PAUSE, None, lambda box: box.paused)
_RESUME: Effect = (Order.RESUME, None, lambda box: not box.paused)
_ZERO: Effect = (Order.LIMIT_A, 0, lambda box: box.paused)


def _statuses(attribute: str, meant: dict[Any, str | None]) -> list[tuple[str, Any, Any]]:
    return [(attribute, raw, {R.STATUS: status}) for raw, status in meant.items()]


def _truths(role: Role, attribute: str, meant: dict[Any, Any]) -> list[tuple[str, Any, Any]]:
    return [(attribute, raw, {role: value}) for raw, value in meant.items()]


CASES = [
    Case(
        "go_e_mqtt",
        GoE,
        "226305",
        None,
        _AMPS
        | _VOLTS
        | _WATTS
        | _ENERGY
        | _SESSION
        | {
            R.STATUS: "charging",
            R.ERROR: None,
            R.ENABLED: True,
            R.LIMIT_A: 13,
            R.MAX_CURRENT_A: 20,
            R.PHASES: 3,
            R.PROBE: 22,
            R.SERIAL: "226305",
            R.MODEL: "go-eCharger",
            R.FIRMWARE: "60.4",
        },
        _statuses(
            "car",
            {
                None: None,
                0: None,
                1: "available",
                2: "charging",
                3: "preparing",
                4: "suspended_ev",
                5: "faulted",
                6: "unavailable",
            },
        )
        + _truths(R.ENABLED, "frc", {0: True, 1: False, 2: True})
        + _truths(R.PHASES, "psm", {0: None, 1: 1, 2: 3})
        + _truths(
            R.ERROR,
            "err",
            {
                1: "fi_ac",
                2: "fi_dc",
                3: "phase",
                4: "overvoltage",
                5: "overcurrent",
                6: "diode",
                7: "pp_invalid",
                8: "ground_invalid",
                9: "contactor_stuck",
                10: "contactor_missing",
                14: "other",
            },
        ),
        [*_limits(6, 16, 32), _PAUSE, _RESUME, *_phases()],
    ),
    Case(
        "warp_mqtt",
        Warp,
        "2aBc",
        "warp3/2aBc",
        _ENERGY
        | {
            R.STATUS: "charging",
            R.ERROR: None,
            R.LIMIT_A: 13,
            R.POWER_W: 7241,
            R.PROBE: 30,
            R.SERIAL: "2aBc",
            R.MODEL: "WARP3 Charger Pro",
        },
        _statuses(
            "charger_state",
            {0: "available", 1: "preparing", 2: "preparing", 3: "charging", 4: "faulted"},
        )
        + _truths(R.ERROR, "error_state", {2: 2}),
        [
            (Order.PREPARE, None, lambda box: box.slot_enabled),
            *_limits(6, 16.5, 32),
            _ZERO,
            *_phases(),
        ],
    ),
    Case(
        "openevse_mqtt",
        OpenEvse,
        "7d2c",
        "openevse-7d2c",
        _ENERGY
        | _SESSION
        | {
            R.STATUS: "charging",
            R.PLUGGED: True,
            R.ENABLED: True,
            R.CURRENT_A_1: 11.25,
            R.VOLTAGE_V_1: 231.5,
            R.POWER_W: 7241,
            R.LIMIT_A: 13,
            R.MAX_CURRENT_A: 20,
        },
        _statuses(
            "number",
            {
                0: "unavailable",
                1: "available",
                2: "preparing",
                3: "charging",
                **dict.fromkeys((4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17), "faulted"),
                254: None,
                255: None,
            },
        )
        + _truths(R.PLUGGED, "plugged", {False: False, True: True})
        + _truths(R.ENABLED, "paused", {False: True, True: False}),
        [*_limits(6, 16, 48), _PAUSE],
    ),
    Case(
        "smartevse_mqtt",
        SmartEvse,
        "123456",
        None,
        _ENERGY
        | _SESSION
        | {
            R.STATUS: "charging",
            R.PLUGGED: True,
            R.ENABLED: True,
            R.ERROR: None,
            R.LIMIT_A: 13,
            R.MAX_CURRENT_A: 20,
            R.PHASES: 3,
            R.CURRENT_A_1: 11.3,
            R.CURRENT_A_2: 10.5,
            R.CURRENT_A_3: 9.8,
            R.POWER_W: 7241,
            R.TOKEN: "04A1B2C3",
        },
        _statuses(
            "state_id",
            {
                "A": "available",
                "B": "preparing",
                "C": "charging",
                "D": "charging",
                "COMM_B": "preparing",
                "COMM_B_OK": "preparing",
                "COMM_C": "preparing",
                "COMM_C_OK": "preparing",
                "Activate": "preparing",
                "B1": "suspended_evse",
                "C1": "suspended_evse",
                "MODEM_REQ": "preparing",
                "MODEM_WAIT": "preparing",
                "MODEM_DONE": "preparing",
                "MODEM_DENIED": "preparing",
            },
        )
        + _truths(R.PLUGGED, "plugged", {False: False, True: True})
        + _truths(
            R.ENABLED,
            "mode",
            {"Off": False, "Normal": True, "Smart": True, "Solar": True, "Pause": False},
        )
        + _truths(R.ERROR, "error", {"LESS_6A": "LESS_6A"})
        + _truths(R.LIMIT_A, "override", {0: None, 65: 6.5})
        + _truths(R.PHASES, "phases", {0: None, 1: 1}),
        [*_limits(6, 16.5, 32), _PAUSE, _RESUME],
    ),
    Case(
        "openwb_2_mqtt",
        OpenWb2,
        "493826",
        None,
        _AMPS
        | _VOLTS
        | _WATTS
        | _ENERGY
        | {
            R.PLUGGED: True,
            R.CHARGING: True,
            R.ERROR: None,
            R.PHASES: 3,
            R.LIMIT_A: 13,
            R.MAX_CURRENT_A: 20,
            R.TOKEN: "04A1B2C3D4E5F6",
            R.SERIAL: "493826",
            R.FIRMWARE: "2.1.7",
        },
        _truths(R.PLUGGED, "plugged", {False: False, True: True})
        + _truths(R.CHARGING, "charging", {False: False, True: True})
        + _truths(R.ERROR, "fault_state", {1: "warning", 2: "error"})
        + _truths(R.PHASES, "phases", {0: None, 1: 1, 3: 3}),
        [
            *_limits(6, 16, 32),
            _ZERO,
            *_phases(),
            (Order.RENEW, None, lambda box: box.heartbeat == 1_800_000_005),
            (Order.FORGET_TOKEN, None, lambda box: not box.token),
        ],
    ),
    Case(
        "openwb_1_9_mqtt",
        OpenWb19,
        "1",
        None,
        _AMPS
        | _VOLTS
        | _ENERGY
        | _SESSION
        | {
            R.PLUGGED: True,
            R.CHARGING: True,
            R.POWER_W: 7241,
            R.PHASES: 3,
            R.LIMIT_A: 13,
            R.TOKEN: "04A1B2C3D4E5F6",
        },
        _truths(R.PLUGGED, "plugged", {False: False, True: True})
        + _truths(R.CHARGING, "charging", {False: False, True: True})
        + _truths(R.TOKEN, "token", {"0": None, "007": "007"})
        + _truths(R.PHASES, "phases", {0: None, 1: 1, 3: 3}),
        [
            *_limits(6, 16, 32),
            _ZERO,
            *_phases(),
            (Order.RENEW, None, lambda box: box.silent_s == 0),
        ],
    ),
    Case(
        "silla_prism_mqtt",
        Prism,
        "A00006",
        None,
        _ENERGY
        | _SESSION
        | {
            R.STATUS: "charging",
            R.ENABLED: True,
            R.ERROR: None,
            R.VOLTAGE_V_1: 231.5,
            R.POWER_W: 7241,
            R.CURRENT_A_1: 11.25,
            R.LIMIT_A: 13,
            R.SERIAL: "A00006",
            R.FIRMWARE: "4.4.4",
        },
        _statuses("number", {1: "available", 2: "preparing", 3: "charging", 4: "suspended_evse"})
        + _truths(R.ENABLED, "mode", {1: True, 2: True, 3: False, 7: False})
        + _truths(R.ERROR, "error", {5: 5})
        + [
            (
                "hello",
                "Prism-A00007 3.2.77 (evsemd v1.1.1)",
                {R.SERIAL: "A00007", R.FIRMWARE: "3.2.77"},
            )
        ],
        [*_limits(*range(6, 33)), _PAUSE, (Order.RESUME, None, lambda box: box.mode == 2)],
    ),
    Case(
        "everest_mqtt",
        Everest,
        "connector_1",
        None,
        _AMPS | _VOLTS | _WATTS | _ENERGY | _SESSION | {R.STATUS: "charging"},
        _statuses(
            "word",
            {
                "Unplugged": "available",
                "Disabled": "unavailable",
                "Preparing": "preparing",
                "Reserved": "reserved",
                "AuthRequired": "preparing",
                "AuthTimeout": "preparing",
                "Charging": "charging",
                "ChargingPausedEV": "suspended_ev",
                "ChargingPausedEVSE": "suspended_evse",
                "Finished": "finishing",
                "FinishedEV": "finishing",
                "FinishedEVSE": "finishing",
            },
        ),
        [
            *_limits(6, 16.5, 32),
            _PAUSE,
            _RESUME,
            (Order.UNLOCK, None, lambda box: box.unlocked == 1),
        ],
        frozenset({Order.PAUSE, Order.RESUME}),
    ),
]
