"""cFos, Solax, Sungrow, FoxESS and Siemens, as evcc and users read them."""

from dataclasses import replace

from .box import (
    BROKEN,
    CONNECTED,
    DONE,
    LETTERS,
    PAUSED,
    WAITING,
    Box,
    Case,
    Kind,
    full,
    h,
    i,
    picked,
    states,
    text,
    three,
    w,
    w16,
)

U16, U32, U32L, F32 = Kind.U16, Kind.U32, Kind.U32L, Kind.F32

CFOS = Box(
    profile="cfos_power_brain",
    port=4701,
    unit=1,
    # Which of the tables is not told.
    both_tables=True,
    values={"phases": (1, 3)},
    holds=(
        h(8000, U32, 0xCF05, probe=0xCF05),
        h(8002, U16, 7),
        h(8003, U16, 0x100),
        h(8004, U32, 0x01020304),
        h(8006, U16, 9),
        text(h, 8008, 8, full("CF", 8), "serial"),
        text(h, 8016, 16, full("cFos Power Brain ", 16), "model"),
        h(8058, Kind.U64, 12_345_678_901, energy_wh=12_345_678_901),
        h(8062, U32, 73_456, power_w=73_456),
        *three(h, (8064, 8066, 8068), U32, "current_a", (101, 112, 123), 0.1),
        h(8092, U16, 2, status="charging"),
        h(8093, U16, 143, limit_a=14.3),
        h(8094, U16, 1, enabled=True),
        text(h, 8096, 15, full("04A1", 15), "token"),
        h(8112, U16, 1),
    ),
    cases=(
        *states(h, 8092, U16, {0: "available", 1: CONNECTED, 5: BROKEN}),
        (h(8094, U16, 0, enabled=False),),
    ),
    orders={
        "limit_a": lambda a: [w(8093, a * 10)],
        "pause": lambda _: [w(8094, 0)],
        "resume": lambda _: [w(8094, 1)],
        "phases": lambda n: [w(8087, n)],
    },
)

_SOLAX = (
    *three(i, (0x00, 0x01, 0x02), U16, "voltage_v", (23_111, 23_222, 23_333), 0.01),
    *three(i, (0x04, 0x05, 0x06), U16, "current_a", (1011, 1122, 1233), 0.01),
    *three(i, (0x08, 0x09, 0x0A), Kind.N16, "power_w", (2311, 2422, 2533), 1),
    i(0x0B, Kind.N16, 7345, power_w=7345),
    *(i(address, U16, 5001) for address in (0x0C, 0x0D, 0x0E)),
    i(0x0F, U16, 543, session_energy_wh=54_300),
    i(0x1D, U16, 2, status="charging"),
    # The order of its words is not told.
    i(0x1E, Kind.N32, 0x12341234, error=0x12341234),
    i(0x27, U16, 99),
    i(0x28, U16, 3),
    i(0x2D, U16, 1),
    text(h, 0x600, 7, full("C311", 7), "serial"),
    h(0x60D, U16, 1, enabled=True),
    h(0x610, U16, 2),
    h(0x624, U16, 2345),
    h(0x628, U16, 1432, limit_a=14.32),
    h(0x668, U16, 3123, max_current_a=31.23),
)
_SOLAX_CASES: tuple[Case, ...] = (
    *states(
        i,
        0x1D,
        U16,
        {
            0: "available",
            1: "preparing",
            3: "finishing",
            4: "faulted",
            5: "unavailable",
            6: "reserved",
            7: "suspended_ev",
            8: "suspended_evse",
            9: "unavailable",
            10: PAUSED,
            11: PAUSED,
            12: WAITING,
            13: ("charging", *DONE),
            17: ("charging", *CONNECTED),
        },
    ),
    (h(0x60D, U16, 0, enabled=False),),
)
SOLAX_1 = Box(
    profile="solax_gen1",
    unit=70,
    serial=(9600, "N", 1),
    holds=(
        *_SOLAX,
        i(0x10, U32L, 123_456, energy_wh=12_345_600),
        i(0x25, U16, 321, firmware=(321, "321")),
    ),
    cases=_SOLAX_CASES,
    orders={
        "limit_a": lambda a: [w(0x628, a * 100)],
        # Commands (0x627: 3 and 4) would do it too; in another mode than Fast it heeds nobody.
        "pause": lambda _: [w(0x60D, 0)],
        "resume": lambda _: [w(0x60D, 1)],
    },
)
SOLAX_2 = replace(
    SOLAX_1,
    profile="solax_gen2",
    values={"phases": (1, 3)},
    holds=(
        *(held for held in _SOLAX if held.address != 0x600),
        text(h, 0x600, 7, full("50307", 7), "serial"),
        i(0x10, U32, 123_456, energy_wh=12_345_600),
        i(0x25, U16, 905, firmware=(905, "905")),
        i(0xA02A, U16, 3),
    ),
    orders={**SOLAX_1.orders, "phases": lambda n: [w(0xA105, picked({1: 1, 3: 2}, n))]},
)

SUNGROW = Box(
    profile="sungrow",
    unit=248,
    values={"phases": (1, 3)},
    holds=(
        i(21223, U16, 0x20DA, probe=0x20DA),
        i(21224, U16, 3),
        i(21261, U16, 230),
        i(21262, U16, 0),
        i(21267, U16, 0),
        i(21269, U16, 0, phases=3),
        i(21271, U16, 1400),
        i(21272, U16, 11_000),
        i(21299, U32L, 12_345_678, energy_wh=12_345_678),
        *three(i, (21301, 21303, 21305), U16, "voltage_v", (2311, 2322, 2333), 0.1),
        *three(i, (21302, 21304, 21306), U16, "current_a", (101, 112, 123), 0.1),
        i(21307, U32L, 73_456, power_w=73_456),
        i(21309, U32L, 154_321, session_energy_wh=154_321),
        i(21313, U16, 1),
        i(21316, U16, 3, status="charging"),
    ),
    cases=(
        *states(
            i,
            21316,
            U16,
            {
                1: "available",
                2: (*CONNECTED, "available"),
                4: "suspended_evse",
                5: "suspended_ev",
                6: DONE,
                8: "unavailable",
                9: "faulted",
            },
        ),
        (i(21269, U16, 1, phases=1),),
    ),
    orders={
        "limit_a": lambda a: [w(21202, a * 10)],
        "pause": lambda _: [w(21211, 1)],
        "resume": lambda _: [w(21211, 0)],
        "phases": lambda n: [w(21203, picked({1: 1, 3: 0}, n))],
    },
)

FOXESS = Box(
    profile="foxess",
    port=502,
    unit=1,
    amps=(6, 32),
    watts=(1400, 22_100),
    holds=(
        h(0x1002, U16, 0),
        h(0x1003, U16, 3, status="charging"),
        h(0x1004, U16, 3),
        h(0x1005, U16, 2),
        h(0x1006, U16, 755),
        *three(h, range(0x1008, 0x100B), U16, "voltage_v", (2311, 2322, 2333), 0.1),
        *three(h, range(0x100B, 0x100E), U16, "current_a", (101, 112, 123), 0.1),
        h(0x100E, U16, 73, power_w=7300),
        h(0x100F, U16, 1),
        h(0x1010, U16, 0),
        h(0x1011, U16, 220),
        h(0x1012, U16, 14),
        h(0x1013, U16, 312, max_current_a=31.2),
        h(0x1014, U16, 61),
        h(0x1015, U16, 0x3344),
        h(0x1016, U32, 123_456, energy_wh=12_345_600),
        h(0x1018, U32, 105_432, session_energy_wh=10_543_200),
        h(0x101A, U32, 0x01020304, error=0x01020304),
        replace(h(0x101C, Kind.HEX, "04a1b2c3", token="04a1b2c3"), count=2),
        text(h, 0x101E, 4, "A011K-S1", "model"),
        text(h, 0x1022, 16, full("60", 16), "serial"),
        h(0x3001, U16, 143),
        h(0x3002, U16, 71, limit_w=7100),
        h(0x3005, U16, 0x3344, watchdog_s=0x3344),
        h(0x3006, U16, 87, fallback_a=8.7),
    ),
    cases=(
        *states(
            h,
            0x1003,
            U16,
            {
                0: "available",
                1: CONNECTED,
                2: CONNECTED,
                4: WAITING,
                5: DONE,
                6: "faulted",
                7: "reserved",
                8: ("unavailable", *PAUSED),
                9: ("charging", *CONNECTED),
            },
        ),
        (replace(h(0x101C, Kind.HEX, "00000000", token=None), count=2),),
    ),
    orders={
        "limit_w": lambda p: [w16(0x3002, p // 100)],
        "fallback_a": lambda a: [w16(0x3006, a * 10)],
        "watchdog_s": lambda s: [w16(0x3005, s)],
    },
)

SIEMENS = Box(
    profile="siemens_versicharge",
    port=502,
    unit=2,
    holds=(
        text(h, 0, 5, "Siemens AG", "vendor"),
        text(h, 7, 5, full("SN", 5), "serial"),
        text(h, 12, 10, full("8EM1310-", 10), "model"),
        h(22, U16, 2),
        h(24, U16, 1),
        h(30, U16, 4),
        text(h, 31, 10, "2.135", "firmware"),
        h(1599, U16, ord("C"), status="charging"),
        h(1600, U16, 0x1122, error=0x1122),
        h(1602, U16, 35),
        h(1629, U16, 2),
        h(1633, U16, 1432, limit_a=14.32),
        *three(h, range(1647, 1650), U16, "current_a", (10, 11, 12), 1),
        *three(h, range(1651, 1654), U16, "voltage_v", (231, 232, 233), 1),
        h(1660, U16, 8, fallback_a=8),
        h(1661, U16, 0x3344, watchdog_s=0x3344),
        *three(h, range(1662, 1665), U16, "power_w", (2311, 2422, 2533), 1),
        h(1665, U16, 6543),
        h(1692, U32, 12_345_678, energy_wh=12_345_678),
    ),
    # A letter, and nobody tells in which byte; a digit may be behind it.
    cases=states(
        h,
        1599,
        U16,
        {
            ord(letter) << shift | other: word
            for letter, word in LETTERS.items()
            for shift, other in ((0, 0), (8, 0), (8, ord("2")), (8, ord(" ")))
        },
    ),
    orders={"limit_a": lambda a: [w(1633, a * 100)]},
)

BOXES = (CFOS, SOLAX_1, SOLAX_2, SUNGROW, FOXESS, SIEMENS)
