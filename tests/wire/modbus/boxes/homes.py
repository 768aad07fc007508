"""Boxes of Delta, Etrel, ABL, Enovates and others, as evcc and nymea read them."""

from dataclasses import replace

from .box import (
    CODES,
    CONNECTED,
    DONE,
    OUT,
    PAUSED,
    READY,
    WAITING,
    Box,
    Held,
    Kind,
    Told,
    at,
    full,
    h,
    i,
    of_unit,
    picked,
    states,
    text,
    texts,
    three,
    w,
    w16,
    words32,
    wordsf,
)

U16, U32, U32L, F32 = Kind.U16, Kind.U32, Kind.U32L, Kind.F32


def _delta(n: int) -> tuple[Held, ...]:
    base = 1000 * n
    return at(
        n,
        i(base, U16, 4, status="charging"),
        i(base + 1, U16, 3),
        i(base + 3, F32, 231.1 + n, voltage_v_1=231.1 + n),
        i(base + 5, U32, 73_456 + n, power_w=73_456 + n),
        i(base + 7, F32, 12.3 + n, current_a=12.3 + n),
        i(base + 11, U16, 55 + n, soc_percent=55 + n),
        i(base + 17, U32, 4321),
        i(base + 19, U32, 154_321 + n, session_energy_wh=154_321 + n),
        text(i, base + 100, 20, full(f"TAG{n}", 20), "token"),
        h(base + 600, U32, 111_222 + n, limit_w=111_222 + n),
        h(base + 602, U16, 0, enabled=True),
    )


DELTA = Box(
    profile="delta_ac_max",
    port=502,
    unit=1,
    outlets=2,
    # The order of words is as evcc's is by default; nobody told it.
    holds=(
        *at(
            0,
            i(100, U16, 1, probe=1),
            i(102, U16, 2),
            text(i, 110, 20, full("SN", 20), "serial"),
            text(i, 130, 20, full("AC MAX ", 20), "model"),
            h(201, U16, 1),
            h(202, U16, 0x3344, watchdog_s=0x3344),
            h(203, U32, 1400),
        ),
        *_delta(1),
        *_delta(2),
    ),
    cases=(
        *states(
            i,
            1000,
            U16,
            {
                0: "unavailable",
                1: "available",
                2: CONNECTED,
                3: "preparing",
                5: "finishing",
                6: "suspended_ev",
                7: "suspended_evse",
                8: "unavailable",
                9: "faulted",
            },
        ),
        (h(1602, U16, 1, enabled=False),),
    ),
    orders={
        "limit_w": lambda p: [w16(1600, *words32(p))],
        "pause": lambda _: [w16(1602, 1)],
        "resume": lambda _: [w16(1602, 0)],
    },
    second={
        "limit_w": lambda p: [w16(2600, *words32(p))],
        "pause": lambda _: [w16(2602, 1)],
        "resume": lambda _: [w16(2602, 0)],
    },
)


def _etrel(n: int) -> tuple[Held, ...]:
    base = 100 * (n - 1)
    return at(
        n,
        i(base, U16, 4, status="charging"),
        i(base + 1, U16, 3),
        i(base + 4, F32, 14.32 + n, limit_a=14.32 + n),
        i(base + 6, F32, 50.01),
        *three(i, range(base + 8, base + 14, 2), F32, "voltage_v", (231.1 + n, 232.2, 233.3), 1),
        *three(i, range(base + 14, base + 20, 2), F32, "current_a", (10.1 + n, 11.2, 12.3), 1),
        i(base + 26, F32, 7.3456 + n, power_w=7345.6 + 1000 * n),
        i(base + 30, F32, 0.0),
    )


ETREL = Box(
    profile="etrel_inch",
    port=502,
    unit=1,
    outlets=2,
    holds=(
        *_etrel(1),
        *_etrel(2),
        *at(
            0,
            text(i, 990, 10, full("SN", 10), "serial"),
            text(i, 1000, 10, full("INCH ", 10), "model"),
            text(i, 1010, 5, full("HW", 5)),
            text(i, 1015, 5, full("5.1-", 5), "firmware"),
        ),
    ),
    cases=states(
        i,
        0,
        U16,
        {
            0: (None, *OUT),
            1: "available",
            2: ("available", *READY),
            3: PAUSED,
            5: "suspended_ev",
            6: "suspended_evse",
            7: DONE,
            8: "faulted",
            9: CONNECTED,
            10: "unavailable",
        },
    ),
    orders={"limit_a": lambda a: [w16(8, *wordsf(a))]},
    second={"limit_a": lambda a: [w16(108, *wordsf(a))]},
)


def _abl(n: int, state: int) -> tuple[Held, ...]:
    base = 0x3000 + 0x100 * (n - 1)
    return at(
        n,
        *three(
            h, range(base + 1, base + 7, 2), U32, "current_a", (70_101 + n, 70_112, 70_123), 0.1
        ),
        *three(
            h, range(base + 7, base + 13, 2), U32, "voltage_v", (72_311 + n, 72_322, 72_333), 0.1
        ),
        h(base + 0x0D, U32, 73_456 + n, power_w=73_456 + n),
        h(base + 0x0F, U32, 1_234_567 + n, energy_wh=12_345_670 + 10 * n),
        h(base + 0x31, U16, state, status="charging" if state == 0xC2 else CONNECTED),
        h(base + 0x32, U16, 143 + n, limit_a=14.3 + n / 10),
    )


ABL = Box(
    profile="abl_em4",
    port=502,
    unit=255,
    outlets=2,
    holds=(*_abl(1, 0xC2), *_abl(2, 0xB1)),
    # The state is in the low byte; nothing is told of the high one.
    cases=states(
        h,
        0x3031,
        U16,
        {
            0x5AA1: "available",
            0x5AB1: CONNECTED,
            0x5AB2: CONNECTED,
            0x5AC2: "charging",
            0x5AC3: ("charging", *CONNECTED),
            0x5AC4: ("charging", *CONNECTED),
            0x5AE0: ("unavailable", "suspended_evse"),
            0x5AE1: OUT,
            0x5AE2: OUT,
            0x5AE3: OUT,
            **{0x5A00 + code: OUT for code in range(0xF1, 0xFC)},
        },
    ),
    orders={"limit_a": lambda a: [w16(0x3032, a * 10)]},
    second={"limit_a": lambda a: [w16(0x3132, a * 10)]},
)

ENOVATES = Box(
    profile="enovates",
    port=502,
    unit=1,
    holds=(
        h(0, U16, 0x0102),
        h(51, Kind.N16, 31, max_current_a=31),
        *three(h, range(200, 203), U16, "current_a", (10_101, 11_202, 12_303), 0.001),
        *three(h, range(203, 206), Kind.N16, "voltage_v", (231, 232, 233), 1),
        h(206, Kind.I16, 7345, power_w=7345),
        h(216, Kind.I32, 12_345_678, energy_wh=12_345_678),
        replace(text(h, 301, 2, "C2"), means={"status": "charging"}),
        # A negative one means that there is none.
        h(400, Kind.N16, 14_321, limit_a=14.321),
        text(h, 401, 16, full("04A1", 16), "token"),
        h(417, U16, 15_432),
        text(h, 5032, 16, full("SN", 16), "serial"),
        text(h, 5048, 16, full("ENO ", 16), "model"),
        text(h, 5064, 16, full("2.13.", 16), "firmware"),
    ),
    cases=(
        *texts(
            h,
            301,
            2,
            {
                "A1": "available",
                "A2": "available",
                "B1": CONNECTED,
                "B2": CONNECTED,
                "C1": ("charging", *CONNECTED),
                "D1": ("charging", *CONNECTED),
                "D2": "charging",
                "E": OUT,
                "F": OUT,
            },
        ),
        (h(400, Kind.I16, -1, limit_a=None),),
    ),
    orders={"limit_a": lambda a: [w(400, a * 1000)]},
)

GOODWE = Box(
    profile="goodwe_hca",
    port=502,
    unit=247,
    watts=(1400, 22_000),
    holds=(
        *three(h, range(10009, 10012), U16, "voltage_v", (2311, 2322, 2333), 0.1),
        *three(h, range(10012, 10015), U16, "current_a", (101, 112, 123), 0.1),
        h(10015, U16, 73, power_w=7300),
        h(10017, U16, 3, status="charging"),
        h(10023, U16, 1),
        h(10029, U16, 71, limit_w=7100),
        h(10032, U16, 0),
        h(10058, U16, 1),
        h(10059, U16, 0),
        h(10065, U32, 123_456, energy_wh=12_345_600),
        text(h, 10500, 7, full("04A1", 7), "token"),
    ),
    cases=states(
        h,
        10017,
        U16,
        {0: "available", **dict.fromkeys((1, 2, 4, 6, 10), (*CONNECTED, "finishing"))},
    ),
    orders={
        "limit_w": lambda p: [w(10029, p // 100)],
        "pause": lambda _: [w(10060, 1)],
        "resume": lambda _: [w(10060, 2)],
    },
)

SIGENERGY = Box(
    profile="sigenergy",
    port=502,
    unit=1,
    holds=(
        h(32000, U16, 5, status="charging"),
        h(32001, U32, 1_234_567, energy_wh=12_345_670),
        h(32003, U32, 73_456, power_w=73_456),
        h(42001, U32, 101_432, limit_a=1014.32),
    ),
    cases=states(
        h,
        32000,
        U16,
        {1: "available", 2: CONNECTED, 3: CONNECTED, 4: ("charging", *CONNECTED)},
    ),
    orders={
        "limit_a": lambda a: [w16(42001, *words32(a * 100))],
        "pause": lambda _: [w(42000, 1)],
        "resume": lambda _: [w(42000, 0)],
    },
)


def _dadapower(n: int) -> tuple[Held, ...]:
    base = 1000 * n
    return of_unit(
        n,
        *at(
            n,
            i(base, U16, 2 - n, enabled=n == 1),
            i(base + 1, U16, 1432 + n, limit_a=14.32 + n / 100),
            i(base + 2, U16, 3, phases=3),
            *three(
                i, range(base + 3, base + 6), U16, "voltage_v", (23_111 + n, 23_222, 23_333), 0.01
            ),
            *three(i, range(base + 6, base + 9), U16, "current_a", (1011 + n, 1122, 1233), 0.01),
            i(base + 9, U32, 73_456 + n, power_w=73_456 + n),
            i(base + 15, U16, 1),
            i(base + 16, U16, 0x0C, status="charging"),
            i(base + 17, Kind.U64, 98_765_432_109 + n, session_energy_wh=98_765_432_109 + n),
            i(base + 25, Kind.U64, 12_345_678_901 + n, energy_wh=12_345_678_901 + n),
            text(i, base + 40, 20, full(f"TAG{n}", 20), "token"),
        ),
    )


DADAPOWER = Box(
    profile="dadapower",
    port=502,
    unit=1,
    units=(1, 2),
    outlets=2,
    values={"phases": (1, 3)},
    holds=(
        *at(
            0,
            *of_unit(
                1,
                i(105, U16, 0x1122, probe=0x1122),
                text(i, 106, 6, full("SN", 6), "serial"),
                text(i, 112, 6, full("1.2.3-", 6), "firmware"),
            ),
        ),
        *_dadapower(1),
        *_dadapower(2),
    ),
    cases=(
        of_unit(1, i(1016, U16, 0x0A, status="available")),
        of_unit(1, i(1016, U16, 0x0B, status=CONNECTED)),
        of_unit(1, i(1000, U16, 0, enabled=False)),
        of_unit(1, i(1002, U16, 1, phases=1)),
    ),
    orders={
        "prepare": lambda _: [w(102, 300)],
        "limit_a": lambda a: [w(1001, a * 100)],
        "pause": lambda _: [w(1000, 0)],
        "resume": lambda _: [w(1000, 1)],
        "phases": lambda n: [w(1002, n)],
    },
    second={
        "prepare": lambda _: [w(102, 300)],
        "limit_a": lambda a: [Told((6, 16), 2001, (round(a * 100),), unit=2)],
        "pause": lambda _: [Told((6, 16), 2000, (0,), unit=2)],
        "resume": lambda _: [Told((6, 16), 2000, (1,), unit=2)],
        "phases": lambda n: [Told((6, 16), 2002, (round(n),), unit=2)],
    },
)

WEIDMUELLER = Box(
    profile="weidmueller_ac_smart",
    port=502,
    unit=255,
    holds=(
        h(301, U16, ord("C"), status="charging"),
        h(302, U16, 2),
        h(318, U16, 3),
        *three(h, (400, 402, 404), U32L, "voltage_v", (231_111, 232_222, 233_333), 0.001),
        *three(h, (406, 408, 410), U32L, "current_a", (110_101, 111_202, 112_303), 0.001),
        h(418, U32L, 7_345_678, power_w=7345.678),
        # 64 bits; some read 32 of them.
        h(457, U32L, 12_345_678, energy_wh=12_345_678),
        h(459, U32L, 0),
        # How its 21 characters lie is not told.
        text(h, 1000, 21, full("04A1", 21)),
        h(11052, U16, 14, limit_a=14),
    ),
    cases=states(h, 301, U16, CODES),
    orders={
        "limit_a": lambda a: [w16(11052, a)],
        # The low word comes first. It is due every 5 s, and 65,535 ms is the most.
        "renew": lambda _: [w16(11050, 60_000, 0)],
    },
)

INNOGY = Box(
    profile="innogy",
    port=502,
    unit=1,
    holds=(
        text(i, 0, 25, full("ID", 25), "probe", "model"),
        text(i, 25, 25, full("SN", 25), "serial"),
        text(i, 50, 25, full("P", 25)),
        text(i, 100, 25, full("innogy ", 25), "vendor"),
        i(175, U16, 6, probe=6),
        text(i, 200, 25, full("1.3.21-", 25), "firmware"),
        replace(text(i, 275, 2, "C2"), means={"status": "charging"}),
        *three(i, (301, 303, 305), F32, "voltage_v", (231.1, 232.2, 233.3), 1),
        i(307, F32, 12_345.678, energy_wh=12_345_678),
        *three(i, (1006, 1008, 1010), F32, "current_a", (10.1, 11.2, 12.3), 1),
    ),
    cases=texts(
        i,
        275,
        2,
        {
            "A1": "available",
            "A2": "available",
            "B1": CONNECTED,
            "B2": CONNECTED,
            "C1": ("charging", *CONNECTED),
            "D2": "charging",
            # evcc takes it for an A.
            "E": ("available", *OUT),
            "F": OUT,
        },
    ),
    orders={"limit_a": lambda a: [w16(1012 + 2 * n, *wordsf(a)) for n in range(3)]},
)

KATHREIN = Box(
    profile="kathrein",
    port=502,
    unit=0,
    values={"phases": (1, 3)},
    holds=(
        h(0x00, U16, 1, probe=1),
        text(h, 0x01, 8, full("N", 8)),
        text(h, 0x09, 8, full("KWB-AC40", 8), "model"),
        text(h, 0x11, 8, full("SN", 8), "serial"),
        h(0x19, U16, 0x0011),
        *three(h, (0x30, 0x32, 0x34), F32, "voltage_v", (231.1, 232.2, 233.3), 1),
        *three(h, (0x36, 0x38, 0x3A), F32, "current_a", (10.1, 11.2, 12.3), 1),
        *three(h, (0x3C, 0x3E, 0x40), F32, "power_w", (2311.1, 2422.2, 2533.3), 1),
        h(0x54, F32, 7345.6, power_w=7345.6),
        h(0x5C, F32, 12_345_678.0, energy_wh=12_345_678),
        h(0x60, Kind.N16, 4, status="charging"),
        h(0x61, Kind.N16, 0x1122, error=0x1122),
        h(0x63, U16, 2),
        h(0x64, U16, 7),
        h(0x65, U16, 14_321, limit_a=14.321),
        h(0x67, U32, 4321),
        h(0x69, U32, 154_321, session_energy_wh=154_321),
        text(h, 0x70, 24, full("04A1", 24), "token"),
        h(0xA0, U16, 0x8000),
        h(0xA3, U16, 0x3344, watchdog_s=0x3344),
        h(0xA5, U16, 8765, fallback_a=8.765),
    ),
    cases=states(
        h,
        0x60,
        Kind.N16,
        {
            0: "available",
            1: CONNECTED,
            2: PAUSED,
            3: CONNECTED,
            5: WAITING,
            6: DONE,
            7: ("unavailable", *CONNECTED),
            0xFFFF: "faulted",
        },
    ),
    orders={
        "prepare": lambda _: [w(0xA0, 0x8000)],
        "limit_a": lambda a: [w(0xA2, a * 1000)],
        "phases": lambda n: [w(0xA1, picked({1: 1, 3: 7}, n))],
        "watchdog_s": lambda s: [w(0xA3, s)],
        "fallback_a": lambda a: [w(0xA5, a * 1000)],
    },
)

BOXES = (
    DELTA,
    ETREL,
    ABL,
    ENOVATES,
    GOODWE,
    SIGENERGY,
    DADAPOWER,
    WEIDMUELLER,
    INNOGY,
    KATHREIN,
)
