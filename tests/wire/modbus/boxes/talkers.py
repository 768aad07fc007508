"""Boxes that their makers document themselves: go-e, NRGkick, openWB, Peblar, WARP and others."""

from .box import (
    BROKEN,
    CODES,
    CONNECTED,
    DONE,
    OUT,
    Box,
    Case,
    Held,
    Kind,
    at,
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
    words32,
)

U16, U32, U32L, F32L = Kind.U16, Kind.U32, Kind.U32L, Kind.F32L


PEBLAR = Box(
    profile="peblar",
    port=502,
    unit=255,
    values={"phases": (1, 3)},
    holds=(
        i(30000, Kind.I64, 12_345_678_901, energy_wh=12_345_678_901),
        i(30004, Kind.I64, 98_765_432_109, session_energy_wh=98_765_432_109),
        *three(i, range(30008, 30014, 2), Kind.I32, "power_w", (72_311, 72_422, 72_533), 1),
        i(30014, U32, 217_345, power_w=217_345),
        *three(i, range(30016, 30022, 2), U32, "voltage_v", (231, 232, 233), 1),
        *three(i, range(30022, 30028, 2), U32, "current_a", (110_101, 111_202, 112_303), 0.001),
        text(i, 30050, 12, full("23-45-", 12), "serial"),
        text(i, 30062, 12, full("6004-2300-", 12), "model"),
        text(i, 30074, 12, full("1.6.1+", 12), "firmware"),
        i(30092, U16, 3),
        i(30093, U16, 1),
        i(30110, U16, ord("C"), status="charging"),
        i(30112, U16, 16),
        i(30113, U32, 114_321, limit_a=114.321),
        # It is written there; whether it may be read is not told.
        h(40000, U32, 115_432, limit_a=115.432),
        h(40002, U16, 0, phases=3),
    ),
    cases=(
        *states(
            i,
            30110,
            U16,
            {**CODES, ord("I"): (None, *OUT), ord("U"): (None, *OUT)},
        ),
        (h(40002, U16, 1, phases=1),),
    ),
    orders={
        "limit_a": lambda a: [w16(40000, *words32(a * 1000))],
        "phases": lambda n: [w6(40002, picked({1: 1, 3: 0}, n))],
    },
)

SCHNEIDER = Box(
    profile="schneider_evlink_pro_ac",
    port=502,
    unit=255,
    holds=(
        h(1, U16, 8),
        h(150, U16, 3, status="charging"),
        h(1150, U16, 1, plugged=True),
        h(1212, U16, 3),
        h(1213, U16, 4),
        h(1214, U16, 5),
        *three(h, range(2999, 3005, 2), F32L, "current_a", (10.1, 11.2, 12.3), 1),
        *three(h, range(3027, 3033, 2), F32L, "voltage_v", (231.1, 232.2, 233.3), 1),
        h(3059, F32L, 7.3456, power_w=7345.6),
        h(3203, Kind.U64L, 12_345_678_901, energy_wh=12_345_678_901),
        # It wants a sign of life every 2 s, so it waits longer than that; 2 says that it does not.
        h(4000, Kind.N16, 0, watchdog_s=4),
        h(4004, U16, 14, limit_a=14),
        h(4005, U16, 7),
        h(4006, U16, 9, fallback_a=9),
        h(4007, U32L, 87_654),
        h(4009, U32L, 4321),
        h(4011, U16, 0),
        h(4012, U32L, 154_321, session_energy_wh=154_321),
        text(h, 4040, 20, full("EVlink ", 20), "model"),
        text(h, 4060, 10, full("EVB3", 10), "model"),
    ),
    cases=(
        *states(
            h,
            150,
            U16,
            {
                0: "unavailable",
                1: "available",
                2: "preparing",
                4: "suspended_ev",
                5: "suspended_evse",
                6: "finishing",
                7: "reserved",
                8: "unavailable",
                9: "faulted",
            },
        ),
        (h(4000, Kind.N16, 1, watchdog_s=4),),
        (h(4000, Kind.N16, 2, watchdog_s=0),),
        (h(1150, U16, 0, plugged=False),),
    ),
    orders={"limit_a": lambda a: [w6(4004, a)], "renew": lambda _: [w(4000, 1)]},
)


def _openwb(n: int) -> tuple[Held, ...]:
    base = 10_000 + 100 * n
    return at(
        n,
        i(base, Kind.I32, 73_456 + n, power_w=73_456 + n),
        i(base + 2, Kind.I32, 12_345_678 + n, energy_wh=12_345_678 + n),
        *three(
            i, range(base + 4, base + 7), Kind.I16, "voltage_v", (23_111 + n, 23_222, 23_333), 0.01
        ),
        *three(i, range(base + 7, base + 10), Kind.I16, "current_a", (1010 + n, 1120, 1230), 0.01),
        i(base + 14, Kind.I16, 1, plugged=True),
        i(base + 15, Kind.I16, 2 - n, charging=n == 1),
        i(base + 16, Kind.I16, 15),
        *three(i, range(base + 30, base + 33), Kind.I16, "power_w", (2311 + n, 2422, 2533), 1),
        i(base + 41, Kind.I32, 0),
        text(i, base + 60, 10, full(f"TAG{n}", 10), "token"),
    )


OPENWB = Box(
    profile="openwb_2",
    port=1502,
    unit=1,
    outlets=2,
    both_tables=True,
    values={"phases": (1, 3)},
    # A write to the last one starts an update; nobody has a reason to come near.
    never_read=frozenset(range(10190, 10200)),
    holds=(
        *_openwb(1),
        *_openwb(2),
        i(10243, Kind.I16, 1),
        *at(0, i(10143, Kind.I16, 1, probe=1), text(i, 10150, 10, full("SN", 10), "serial")),
    ),
    cases=(
        (i(10114, Kind.I16, 0, plugged=False),),
        (i(10115, Kind.I16, 0, charging=False),),
    ),
    orders={
        "limit_a": lambda a: [w(10171, a * 100)],
        "phases": lambda n: [w(10180, n), w(10181, 1)],
        "forget_token": lambda _: [w(10197, 1)],
    },
    second={
        "limit_a": lambda a: [w(10271, a * 100)],
        "phases": lambda n: [w(10280, n), w(10281, 1)],
        "forget_token": lambda _: [w(10297, 1)],
    },
)

WARP = Box(
    profile="warp",
    port=502,
    # The first register of all would, written, restart it.
    holds=(
        i(0, U32, 2, probe=2),
        i(2, U32, 2, firmware=2),
        i(4, U32, 8),
        i(6, U32, 1),
        i(8, U32, 1_700_000_000),
        i(10, U32, 185_460, serial=(185_460, "185460")),
        i(12, U32, 98_765),
        i(1000, U32, 2, status="charging"),
        i(1002, U32, 3),
        i(1004, U32, 0xFFFFFFFF),
        i(1006, U32, 0),
        i(1008, U32, 4_321_000),
        i(1010, U32, 115_432, limit_a=115.432),
        i(2000, U32, 2),
        i(2002, Kind.F32, 7345.6, power_w=7345.6),
        i(2004, Kind.F32, 12_345.678, energy_wh=12_345_678),
        i(2006, Kind.F32, 2345.678),
        i(2008, Kind.F32, 54.321, session_energy_wh=54_321),
        i(3100, U32, 3),
        h(1000, U32, 1, enabled=True),
        h(1002, U32, 114_321, limit_a=114.321),
    ),
    cases=(
        (i(1000, U32, 0, status="available"), i(1002, U32, 0)),
        (i(1000, U32, 1, status=CONNECTED), i(1002, U32, 1)),
        (i(1000, U32, 1, status=CONNECTED), i(1002, U32, 2)),
        (i(1000, U32, 4, status=OUT), i(1002, U32, 4)),
        (h(1000, U32, 0, enabled=False),),
    ),
    orders={
        "limit_a": lambda a: [w16(1002, *words32(a * 1000))],
        "pause": lambda _: [w16(1000, 0, 0)],
        "resume": lambda _: [w16(1000, 0, 1)],
    },
)

_GO_E_CASES: tuple[Case, ...] = (
    *states(
        i,
        100,
        U16,
        {0: (None, *OUT), 1: "available", 3: CONNECTED, 4: DONE},
    ),
)

GO_E = Box(
    profile="go_e",
    port=502,
    values={"phases": (1, 3)},
    flash=frozenset((299, 300)),
    holds=(
        i(100, U16, 2, status="charging"),
        i(101, U16, 32),
        text(i, 105, 2, "60.4", "firmware"),
        i(107, U16, 3, error=3),
        *three(i, (108, 110, 112), U32, "voltage_v", (231, 232, 233), 1),
        *three(i, (114, 116, 118), U32, "current_a", (101, 112, 123), 0.1),
        i(120, U32, 734_567, power_w=7345.67),
        i(128, U32, 123_456, energy_wh=12_345_600),
        i(132, U32, 19_555_560, session_energy_wh=19_555_560 * 10 / 3600),
        *three(i, (146, 148, 150), U32, "power_w", (23, 24, 25), 100),
        i(205, U16, 0b111111),
        text(i, 304, 6, "203142536475", "serial"),
        text(i, 310, 6, "go-echarger", "probe"),
        h(200, U16, 1),
        h(211, U16, 31, max_current_a=31),
        h(299, U16, 14, limit_a=14),
        h(300, U16, 15),
        h(332, U16, 2),
        h(337, U16, 0, enabled=True),
    ),
    cases=(
        *_GO_E_CASES,
        (h(337, U16, 1, enabled=False),),
        (h(337, U16, 2, enabled=True),),
    ),
    orders={
        "limit_a": lambda a: [w16(299, a)],
        "pause": lambda _: [w16(337, 1)],
        # 0 leaves it to the box, 2 would force it on.
        "resume": lambda _: [w16(337, 0)],
        "phases": lambda n: [w16(332, picked({1: 1, 3: 2}, n))],
    },
)

NRGKICK = Box(
    profile="nrgkick_gen2",
    port=502,
    unit=1,
    values={"phases": (1, 2, 3)},
    holds=(
        text(h, 0, 11, full("SN", 11), "serial"),
        text(h, 11, 16, full("NRGkick Gen2 ", 16), "model"),
        text(h, 27, 8, full("Box", 8)),
        h(35, U16, 31, max_current_a=31),
        h(36, U16, 3),
        h(37, U16, 320),
        text(h, 54, 9, full("00:", 9)),
        text(h, 122, 8, full("4.0.", 8), "firmware"),
        h(194, U16, 143, limit_a=14.3),
        h(195, U16, 0, enabled=True),
        h(196, U32L, 0),
        h(198, U16, 3, phases=3),
        h(199, Kind.U64L, 12_345_678_901, energy_wh=12_345_678_901),
        h(203, U32L, 154_321, session_energy_wh=154_321),
        h(206, U16, 321),
        h(210, Kind.I32L, 7_345_678, power_w=7345.678),
        *three(h, range(217, 220), U16, "voltage_v", (23_111, 23_222, 23_333), 0.01),
        *three(h, range(220, 223), U16, "current_a", (10_101, 11_202, 12_303), 0.001),
        *three(
            h, range(224, 230, 2), Kind.I32L, "power_w", (2_311_234, 2_422_345, 2_533_456), 0.001
        ),
        h(247, U32L, 4321),
        h(249, U32L, 1234),
        h(251, U16, 3, status="charging"),
        h(252, U16, 1),
        h(253, U16, 0b1111),
        h(255, U16, 0),
        h(256, U16, 0),
        h(257, U16, 0x1122, error=0x1122),
        h(258, Kind.I16, 3050),
    ),
    cases=(
        *states(
            h, 251, U16, {0: (None, *OUT), 1: "available", 2: CONNECTED, 6: BROKEN, 7: CONNECTED}
        ),
        (h(195, U16, 1, enabled=False),),
        (h(198, U16, 1, phases=1),),
    ),
    orders={
        "limit_a": lambda a: [w(194, a * 10)],
        "pause": lambda _: [w(195, 1)],
        "resume": lambda _: [w(195, 0)],
        "phases": lambda n: [w(198, n)],
    },
)

BOXES = (
    PEBLAR,
    SCHNEIDER,
    OPENWB,
    WARP,
    GO_E,
    NRGKICK,
)
