"""Boxes built around the controllers of Phoenix Contact, Bender, Mennekes and Compleo."""

from dataclasses import replace

from .box import (
    BROKEN,
    CONNECTED,
    LETTERS,
    OUT,
    Box,
    Case,
    Held,
    Kind,
    at,
    coil,
    full,
    h,
    i,
    picked,
    states,
    text,
    three,
    w5,
    w6,
    w16,
    wordsf,
)

U16, U32, U32L, I32L, F32 = Kind.U16, Kind.U32, Kind.U32L, Kind.I32L, Kind.F32

# The letter is in the low byte; nothing is told of the high one.
_PHOENIX_STATES = states(
    i, 100, U16, {0x5A00 + ord(letter): word for letter, word in LETTERS.items()}
)
_SWITCH = {"pause": lambda _: [w5(400, 0)], "resume": lambda _: [w5(400, 1)]}

_PHOENIX_EV = (
    i(100, U16, 0x0043, status="charging"),
    i(102, U32L, 1234),
    *three(i, (108, 110, 112), I32L, "voltage_v", (231, 232, 233), 1),
    *three(i, (114, 116, 118), I32L, "current_a", (11, 12, 13), 1),
    i(120, I32L, 73_456, power_w=73_456),
    coil(400, 1, enabled=True),
    coil(419, 1),
    text(h, 606, 16, "04A1B2C3D4E5F6", "token"),
)
_PHOENIX_EV_CASES: tuple[Case, ...] = (
    *_PHOENIX_STATES,
    (coil(400, 0, enabled=False),),
)

PHOENIX_EV = Box(
    profile="phoenix_ev_eth",
    port=502,
    unit=255,
    holds=(
        *_PHOENIX_EV,
        text(i, 105, 2, "1.12", "firmware", kind=Kind.SWAPPED),
        # From 60 on, the firmware is the extended one, and this is 0.1 A.
        h(528, U16, 14, limit_a=14, probe=14),
        h(904, U32L, 12_345_678, energy_wh=12_345_678),
    ),
    cases=_PHOENIX_EV_CASES,
    orders={"limit_a": lambda a: [w6(528, a)], **_SWITCH},
)

WALLBE = Box(
    profile="wallbe_extended",
    port=502,
    unit=255,
    holds=(
        *_PHOENIX_EV,
        text(i, 105, 2, "9.87", kind=Kind.SWAPPED),
        text(i, 149, 6, full("2.0.13-", 6), "firmware", kind=Kind.SWAPPED),
        h(528, U16, 143, limit_a=14.3, probe=143),
        h(904, U32L, 7_654_321),
        h(2980, Kind.U64L, 12_345_678_901, energy_wh=12_345_678_901),
        h(3376, Kind.U64L, 98_765_432_109, session_energy_wh=98_765_432_109),
    ),
    cases=_PHOENIX_EV_CASES,
    orders={"limit_a": lambda a: [w6(528, a * 10)], **_SWITCH},
)

PHOENIX_EM = Box(
    profile="phoenix_em_eth",
    port=502,
    unit=180,
    holds=(
        i(100, U16, 0x0043, status="charging"),
        i(102, U32L, 1234),
        *three(i, (108, 110, 112), I32L, "voltage_v", (23_112, 23_213, 23_314), 0.01),
        *three(i, (114, 116, 118), I32L, "current_a", (10_101, 11_202, 12_303), 0.001),
        i(120, I32L, 73_456, power_w=734_560),
        i(128, U32L, 1_234_567, energy_wh=12_345_670),
        h(300, U16, 14, limit_a=14),
        coil(400, 1, enabled=True),
    ),
    cases=_PHOENIX_EV_CASES,
    orders={"limit_a": lambda a: [w6(300, a)], **_SWITCH},
)


def _charx(n: int, state: str) -> tuple[Held, ...]:
    base = 1000 * n
    return at(
        n,
        h(base + 112, U16, 3),
        *three(
            h,
            range(base + 232, base + 238, 2),
            Kind.I32,
            "voltage_v",
            (231_100 + n, 232_200, 233_300),
            0.001,
        ),
        *three(
            h,
            range(base + 238, base + 244, 2),
            Kind.I32,
            "current_a",
            (10_101 + n, 11_202, 12_303),
            0.001,
        ),
        h(base + 244, Kind.I32, 7_345_678 + n, power_w=7345.678 + n / 1000),
        h(base + 250, Kind.I64, 12_345_678 + n, energy_wh=12_345_678 + n),
        h(base + 264, U16, 0x3334 + n, soc_percent=0x3334 + n),
        text(h, base + 265, 10, full("DE", 10)),
        text(h, base + 275, 10, full(f"TAG{n}", 10), "token"),
        h(base + 285, U32, 4321),
        h(base + 287, U32, 1234),
        h(base + 289, U32, 54_321 + n, session_energy_wh=54_321 + n),
        h(
            base + 299,
            U16,
            int.from_bytes(state.encode()),
            status="charging" if state[0] == "C" else CONNECTED,
        ),
        h(base + 300, U16, 1),
        h(base + 301, U16, 14 + n, limit_a=14 + n),
    )


CHARX = Box(
    profile="phoenix_charx",
    port=502,
    unit=1,
    outlets=2,
    both_tables=True,
    amps=(6, 80),
    holds=(
        *at(
            0,
            text(h, 100, 10, full("CHARX ", 10), "model"),
            text(h, 110, 4, full("1.7.3", 4), "firmware"),
            h(114, U16, 2),
        ),
        *_charx(1, "C2"),
        *_charx(2, "B1"),
    ),
    # The digit behind the letter is 1 until the box is ready, and 2 then.
    cases=states(
        h,
        1299,
        U16,
        {
            int.from_bytes(f"{letter}{digit}".encode()): (
                (*CONNECTED, "charging") if letter in "CD" and digit == 1 else word
            )
            for letter, word in LETTERS.items()
            for digit in (1, 2)
        },
    ),
    orders={"limit_a": lambda a: [w16(1301, a)]},
    second={"limit_a": lambda a: [w16(2301, a)]},
)

MENNEKES_COMPACT = Box(
    profile="mennekes_compact",
    unit=50,
    serial=(57600, "N", 2),
    values={"phases": (1, 3)},
    holds=(
        h(0x0000, U16, 0x103, probe=0x103),
        text(h, 0x0001, 8, full("1.0.15-", 8), "firmware"),
        text(h, 0x0013, 8, full("12345A", 8), "serial"),
        h(0x0100, U16, 5, status="charging"),
        h(0x0101, U16, 1),
        h(0x0108, U16, 28),
        h(0x0114, F32, 13.13),
        h(0x0302, F32, 14.32, limit_a=14.32),
        h(0x0304, F32, 20.25, max_current_a=20.25),
        h(0x0306, F32, 18.75, max_current_a=18.75),
        h(0x030C, U16, 2),
        h(0x030E, Kind.N16, 9, fallback_a=9),
        # The phases of the house, not of the charge.
        h(0x0311, U16, 2),
        h(0x0312, U16, 1),
        *three(h, range(0x0500, 0x0506, 2), F32, "current_a", (10.1, 11.2, 12.3), 1),
        *three(h, range(0x0506, 0x050C, 2), F32, "voltage_v", (231.1, 232.2, 233.3), 1),
        h(0x0512, F32, 7345.6, power_w=7345.6),
        h(0x0B02, F32, 54.321, session_energy_wh=54_321),
        h(0x0B04, U32, 4321),
        h(0x0D03, U16, 1),
        h(0x0D05, U16, 1, enabled=True),
        h(0x1000, F32, 12_345.678, energy_wh=12_345_678),
    ),
    cases=(
        *states(
            h,
            0x0100,
            U16,
            {
                0: "unavailable",
                1: "available",
                2: CONNECTED,
                3: CONNECTED,
                4: CONNECTED,
                6: BROKEN,
                7: OUT,
            },
        ),
        (h(0x0D05, U16, 0, enabled=False),),
        # 1 says that it pauses.
        (h(0x030E, Kind.N16, 1, fallback_a=0),),
    ),
    orders={
        "limit_a": lambda a: [w16(0x0302, *wordsf(a))],
        "pause": lambda _: [w6(0x0D05, 0)],
        "resume": lambda _: [w6(0x0D05, 1)],
        "phases": lambda n: [w6(0x0D04, picked({1: 1, 3: 0}, n))],
        "renew": lambda _: [w6(0x0D00, 0x55AA)],
    },
)

MENNEKES_HCC3 = Box(
    profile="mennekes_hcc3",
    port=502,
    unit=255,
    holds=(
        i(0x0302, U16, 6, status="charging"),
        i(0x0304, U16, 0x1122, error=0x1122),
        i(0x0305, U16, 3),
        i(0x0308, U16, 3, phases=3),
        i(0x0309, U16, 20, max_current_a=20),
        # The order of its words is not known: it is only looked at whether there is one.
        i(0x030B, Kind.N32, 0x12341234, probe=0x12341234, serial=0x12341234),
        i(0x030D, U32L, 54_321_9, session_energy_wh=543_219),
        i(0x030F, U32L, 73_456, power_w=73_456),
        text(i, 0x0311, 11, full("AMTRON ", 11), "model", kind=Kind.SWAPPED),
        h(0x0400, U16, 14, limit_a=14),
    ),
    cases=(
        *states(
            i,
            0x0302,
            U16,
            {
                1: "available",
                2: "available",
                3: CONNECTED,
                4: CONNECTED,
                5: ("charging", *CONNECTED),
                6: "charging",
                7: ("charging", *CONNECTED),
                8: "charging",
            },
        ),
        (i(0x0308, U16, 1, phases=1),),
    ),
    orders={"limit_a": lambda a: [w6(0x0400, a)]},
)

_BENDER = (
    h(104, U16, 2),
    h(111, U16, 0),
    h(112, U16, 0),
    h(122, U16, 3, status="charging"),
    h(131, U16, 7, fallback_a=7),
    h(140, Kind.N16, 1, phases=3),
    h(153, U16, 5),
    h(154, U16, 33),
    h(155, U16, 2),
    *three(h, (200, 202, 204), U32, "energy_wh", (4_111_222, 4_222_333, 4_333_444), 1),
    *three(h, (206, 208, 210), U32, "power_w", (72_311, 72_422, 72_533), 1),
    *three(h, (212, 214, 216), U32, "current_a", (210_101, 211_202, 212_303), 0.001),
    h(218, U32, 12_345_678, energy_wh=12_345_678),
    h(220, U32, 217_345, power_w=217_345),
    *three(h, (222, 224, 226), U32, "voltage_v", (231, 232, 233), 1),
    h(712, U16, 6),
    h(715, U16, 31, max_current_a=31),
    h(716, U32, 554_321, session_energy_wh=554_321),
    h(718, U32, 4321),
    text(h, 720, 10, full("04A1", 10), "token"),
    h(1000, U16, 14, limit_a=14),
)
_BENDER_CASES: tuple[Case, ...] = (
    *states(h, 122, U16, {1: "available", 2: CONNECTED, 3: "charging", 4: "charging", 5: OUT}),
    (h(140, Kind.N16, 0, phases=(0, None)),),
    (h(140, Kind.N16, 5, phases=1),),
    *(
        (h(address, U32, 0xFFFFFFFF, **{role: None}),)
        for address, role in (
            (218, "energy_wh"),
            (220, "power_w"),
            (212, "current_a_1"),
            (222, "voltage_v_1"),
        )
    ),
)

BENDER = Box(
    profile="bender_cc61x",
    port=502,
    unit=255,
    amps=(6, 80),
    holds=(
        *(held for held in _BENDER if held.address != 140),
        text(h, 100, 2, "5.33", "firmware"),
        # What the relays do tells a WARP that plays a Bender from a genuine one.
        h(140, Kind.N16, 1, phases=3, probe=1),
        text(h, 120, 2, "0.14"),
        text(h, 142, 10, full("ICC1324 ", 10), "model"),
        h(730, U16, 55, soc_percent=55),
        h(740, U16, 0),
        text(h, 741, 6, ""),
    ),
    cases=tuple(
        (replace(held, means={**held.means, "probe": held.raw}) if held.address == 140 else held,)
        for (held,) in _BENDER_CASES
    ),
    orders={"limit_a": lambda a: [w16(1000, a)]},
)

MENNEKES_4YOU = Box(
    profile="mennekes_4you",
    port=502,
    unit=255,
    values={"phases": (1, 3)},
    # Its firmware hangs up when it is asked for these.
    never_read=frozenset(range(730, 747)),
    holds=(
        *(replace(held, means={}) if held.address == 1000 else held for held in _BENDER),
        text(h, 100, 2, "1.14", "firmware"),
        text(h, 120, 2, "0.14"),
        text(h, 142, 10, full("4YOU ", 10), "model"),
        h(1001, U16, 143, limit_a=14.3, probe=143),
        h(1002, U16, 11_111),
    ),
    cases=_BENDER_CASES,
    orders={
        "limit_a": lambda a: [w16(1001, a * 10)],
        # Up to 3725 W it takes one phase, and 0xFFFF is no bound at all.
        "phases": lambda n: [w16(1002, picked({1: 3725, 3: 0xFFFF}, n))],
    },
)


def _compleo(n: int, state: int) -> tuple[Held, ...]:
    base, rfid = 0x0100 + 0x10 * (n - 1), 0x1000 + 0x10 * (n - 1)
    return at(
        n,
        h(base, U16, 73 + n, limit_w=7300 + 100 * n),
        i(base + 1, U16, state, plugged=bool(state & 1), charging=bool(state & 2)),
        i(base + 2, U16, 72 + n, power_w=7200 + 100 * n),
        *three(i, range(base + 3, base + 6), U16, "current_a", (101 + n, 112, 123), 0.1),
        i(base + 6, Kind.N32, 4321),
        i(base + 8, U16, 5432 + n, session_energy_wh=543_200 + 100 * n),
        *three(i, range(base + 0xD, base + 0x10), U16, "voltage_v", (231 + n, 232, 233), 1),
        text(i, rfid, 10, full(f"TAG{n}", 10), "token"),
    )


COMPLEO = Box(
    profile="compleo",
    port=502,
    unit=255,
    outlets=2,
    watts=(1300, 22100),
    holds=(
        *at(0, h(0x0005, U16, 0x3344, watchdog_s=0x3344), i(0x0008, U16, 2)),
        *_compleo(1, 0b11),
        *_compleo(2, 0b01),
    ),
    cases=tuple(
        (i(0x0101, U16, state, plugged=bool(state & 1), charging=bool(state & 2)),)
        for state in (0b00, 0b01, 0b1100, 0b0111)
    ),
    orders={"limit_w": lambda p: [w6(0x0100, p // 100)]},
    second={"limit_w": lambda p: [w6(0x0110, p // 100)]},
)

BOXES = (
    PHOENIX_EV,
    WALLBE,
    PHOENIX_EM,
    CHARX,
    MENNEKES_COMPACT,
    MENNEKES_HCC3,
    BENDER,
    MENNEKES_4YOU,
    COMPLEO,
)
