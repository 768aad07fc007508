"""Vestel, Webasto, Victron, Daheimladen and EM2GO."""

from .box import (
    BROKEN,
    CONNECTED,
    DONE,
    OUT,
    PAUSED,
    Box,
    Kind,
    Meant,
    full,
    h,
    i,
    picked,
    states,
    text,
    three,
    w,
    w6,
    w16,
)

U16, U32, U32L, F32L = Kind.U16, Kind.U32, Kind.U32L, Kind.F32L

_SPACED = range(1008, 1014, 2)
"""16 bits each, in every other register."""

VESTEL = Box(
    profile="vestel_unite",
    port=502,
    unit=255,
    values={"phases": (1, 3)},
    flash=frozenset((2000, 2002)),
    holds=(
        text(i, 100, 25, full("V", 12) + "W", "serial", kind=Kind.UTF16),
        text(i, 190, 10, "Vestel", "vendor", kind=Kind.UTF16),
        text(i, 210, 5, "EVC04", "model", kind=Kind.UTF16),
        text(i, 230, 50, "3.187.0", "firmware", kind=Kind.UTF16),
        i(404, U16, 1),
        h(405, U16, 1, phases=3),
        i(1000, U16, 2, status="charging"),
        i(1001, U16, 1, charging=True),
        i(1002, U16, 1),
        i(1004, U16, 3, plugged=True),
        i(1006, U32, 0x01020304, error=0x01020304),
        *three(i, _SPACED, U16, "current_a", (10_101, 11_202, 12_303), 0.001),
        *three(i, range(1014, 1020, 2), U16, "voltage_v", (231, 232, 233), 1),
        i(1020, U32, 73_456, power_w=73_456),
        *three(i, range(1024, 1036, 4), U32, "power_w", (72_311, 72_422, 72_533), 1),
        i(1036, U32, 123_456, energy_wh=12_345_600),
        i(1100, U16, 15),
        i(1102, U16, 7),
        i(1104, U16, 31, max_current_a=31),
        i(1106, U16, 19),
        i(1502, U32, 154_321, session_energy_wh=154_321),
        i(1508, U32, 4321),
        text(i, 1516, 15, full("04A1", 7) + "X", "token", kind=Kind.UTF16),
        h(2000, U16, 7, fallback_a=7),
        h(2002, U16, 0x3344, watchdog_s=0x3344),
        h(5004, U16, 14, limit_a=14),
        h(6000, U16, 0),
    ),
    cases=(
        *states(
            i,
            1000,
            U16,
            {
                0: "available",
                1: "preparing",
                3: "suspended_evse",
                4: "suspended_ev",
                5: "finishing",
                6: "reserved",
                7: "unavailable",
                8: "faulted",
            },
        ),
        *((i(1004, U16, raw, plugged=raw >= 2),) for raw in (0, 1, 2)),
        (i(1001, U16, 0, charging=False),),
        (h(405, U16, 0, phases=1),),
    ),
    orders={
        "limit_a": lambda a: [w6(5004, a)],
        "phases": lambda n: [w6(405, picked({1: 0, 3: 1}, n))],
        "renew": lambda _: [w6(6000, 1)],
        "fallback_a": lambda a: [w6(2000, a)],
        "watchdog_s": lambda s: [w6(2002, s)],
    },
)

WEBASTO = Box(
    profile="webasto_next",
    port=502,
    unit=255,
    flash=frozenset((2000, 2002)),
    holds=(
        h(1000, U16, 3, status="charging"),
        h(1001, U16, 1, charging=True),
        h(1002, U16, 1, probe=1),
        h(1004, U16, 3, plugged=True),
        h(1006, U16, 0x1122, error=0x1122),
        # Some read them here, some there.
        *three(i, _SPACED, U16, "current_a", (10_101, 11_202, 12_303), 0.001),
        *three(h, _SPACED, U16, "current_a", (10_101, 11_202, 12_303), 0.001),
        h(1020, U32, 73_456, power_w=73_456),
        *three(h, range(1024, 1036, 4), U32, "power_w", (72_311, 72_422, 72_533), 1),
        h(1036, U32, 12_345_678, energy_wh=12_345_678),
        h(1100, U16, 31, max_current_a=31),
        h(1102, U16, 6),
        h(1104, U16, 29),
        h(1106, U16, 19),
        h(1108, U16, 17),
        h(1502, U16, 5432),
        h(1508, U32, 4321),
        text(h, 1600, 10, full("04A1", 10), "token"),
        h(1620, U16, 1),
        h(2000, U16, 7, fallback_a=7),
        h(2002, U16, 0x3344, watchdog_s=0x3344),
        h(6000, U16, 0),
    ),
    cases=(
        *states(
            h,
            1000,
            U16,
            {
                0: "available",
                1: PAUSED,
                4: ("suspended_evse", "suspended_ev"),
                7: BROKEN,
                8: ("reserved", "unavailable"),
            },
        ),
        *((h(1004, U16, raw, plugged=raw >= 2),) for raw in (0, 1, 2)),
        (h(1001, U16, 0, charging=False),),
    ),
    orders={
        "limit_a": lambda a: [w(5004, a)],
        "renew": lambda _: [w6(6000, 1)],
        "fallback_a": lambda a: [w6(2000, a)],
    },
)

_VICTRON: dict[int, Meant] = {
    0: "available",
    1: CONNECTED,
    3: DONE,
    4: PAUSED,
    5: PAUSED,
    6: PAUSED,
    7: PAUSED,
    **dict.fromkeys(range(8, 15), BROKEN),
    # On its way from one state to another.
    21: ("charging", *CONNECTED),
    22: ("charging", *CONNECTED),
    23: ("charging", *CONNECTED),
    24: ("charging", *DONE),
}

VICTRON = Box(
    profile="victron_evcs",
    port=502,
    unit=1,
    most=50,
    values={"phases": (1, 3)},
    holds=(
        h(5000, U16, 0xC024, probe=0xC024),
        text(h, 5001, 6, full("HQ22", 6), "serial", kind=Kind.SWAPPED),
        h(5007, U32, 0x00012300),
        h(5009, U16, 0),
        h(5010, U16, 1, enabled=True),
        *three(h, range(5011, 5014), U16, "power_w", (2311, 2422, 2533), 1),
        h(5014, U16, 7345, power_w=7345),
        h(5015, U16, 2, status="charging"),
        h(5016, U16, 14, limit_a=14),
        h(5017, U16, 31, max_current_a=31),
        h(5018, U16, 123, current_a=12.3),
        h(5019, U32, 4321),
        h(5021, U16, 5432, session_energy_wh=54_320),
        h(5022, U16, 987),
        h(5023, U32, 1_234_567, energy_wh=12_345_670),
        text(h, 5027, 22, full("Box", 22), kind=Kind.SWAPPED),
        h(5049, U16, 0),
        h(5055, U16, 0, phases=3),
        h(5062, U16, 6),
        h(5100, U16, 1),
    ),
    cases=(
        *states(h, 5015, U16, _VICTRON),
        (h(5055, U16, 1, phases=1),),
        (h(5010, U16, 0, enabled=False),),
    ),
    orders={
        "limit_a": lambda a: [w6(5016, a)],
        "pause": lambda _: [w6(5010, 0)],
        "resume": lambda _: [w6(5010, 1)],
        "phases": lambda n: [w6(5055, picked({1: 1, 3: 0}, n))],
    },
)

VICTRON_GX = Box(
    profile="victron_evcs_gx",
    port=502,
    unit=100,
    holds=(
        h(3815, U16, 0),
        h(3816, U32, 105_432, session_energy_wh=1_054_320),
        h(3821, U16, 7345, power_w=7345),
        h(3824, U16, 2, status="charging"),
    ),
    cases=states(h, 3824, U16, _VICTRON),
    orders={
        "limit_a": lambda a: [w6(3825, a)],
        "pause": lambda _: [w6(3826, 0)],
        "resume": lambda _: [w6(3826, 1)],
    },
)

_LADEN = (
    *three(h, (6, 8, 10), U16, "current_a", (101, 112, 123), 0.1),
    h(12, U32, 73_456, power_w=73_456),
    h(28, U32, 123_456, energy_wh=12_345_600),
    h(32, U16, 312, max_current_a=31.2),
    h(34, U16, 61),
    h(36, U16, 202),
    text(h, 38, 16, full("SN", 8), "serial", kind=Kind.UTF16),
    h(78, U32, 4321),
    h(87, U16, 75, fallback_a=7.5),
    h(89, U16, 0x3344, watchdog_s=0x3344),
    h(91, U16, 143, limit_a=14.3),
    h(93, U16, 1),
    h(95, U16, 1),
    *three(h, (109, 111, 113), U16, "voltage_v", (2311, 2322, 2333), 0.1),
)
_LADEN_STATES: dict[int, Meant] = {
    1: "available",
    2: CONNECTED,
    3: CONNECTED,
    6: (*DONE, "preparing"),
}

DAHEIMLADEN = Box(
    profile="daheimladen",
    port=502,
    unit=255,
    values={"phases": (1, 3)},
    holds=(
        *_LADEN,
        h(0, U16, 4, status="charging"),
        text(h, 54, 16, full("04A1", 8), "token", kind=Kind.UTF16),
        h(72, U16, 5432, session_energy_wh=543_200),
        h(184, U16, 3, phases=3),
        h(188, U16, 0),
    ),
    cases=(
        *states(h, 0, U16, _LADEN_STATES | {5: OUT, 9: "unavailable"}),
        (h(184, U16, 1, phases=1),),
    ),
    # 0 would let everybody charge.
    orders={
        "limit_a": lambda a: [w16(91, a * 10 if a else 1)],
        "phases": lambda n: [w16(186, n)],
        "fallback_a": lambda a: [w16(87, a * 10)],
        "watchdog_s": lambda s: [w16(89, s)],
    },
)

EM2GO = Box(
    profile="em2go",
    port=502,
    unit=255,
    spacing_s=0.06,
    values={"phases": (1, 3)},
    holds=(
        *_LADEN,
        h(0, U16, 4, status="charging"),
        h(200, U16, 3, phases=3),
    ),
    cases=(
        *states(h, 0, U16, _LADEN_STATES),
        (h(200, U16, 1, phases=1),),
    ),
    orders={
        "limit_a": lambda a: [w16(91, a * 10)],
        "pause": lambda _: [w16(95, 2)],
        "resume": lambda _: [w16(95, 1)],
        "phases": lambda n: [w16(200, n)],
        "fallback_a": lambda a: [w16(87, a * 10)],
        "watchdog_s": lambda s: [w16(89, s)],
    },
)

BOXES = (VESTEL, WEBASTO, VICTRON, VICTRON_GX, DAHEIMLADEN, EM2GO)
