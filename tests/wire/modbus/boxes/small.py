"""Boxes of small makers, and controllers that others build boxes around."""

from dataclasses import replace

from .box import (
    BROKEN,
    CODES,
    CONNECTED,
    DONE,
    LETTERS,
    OUT,
    Box,
    Kind,
    full,
    h,
    i,
    states,
    text,
    texts,
    three,
    w,
    w16,
)

U16, U32, U32L, I32 = Kind.U16, Kind.U32, Kind.U32L, Kind.I32

PANTABOX = Box(
    profile="pantabox",
    port=502,
    unit=1,
    holds=(
        # Its number is printed as hexadecimal digits.
        i(256, U32L, 0x3A4B5C6D, serial=("3a4b5c6d", 0x3A4B5C6D)),
        i(258, U32L, 0x00010001),
        text(i, 260, 2, "INRO"),
        text(i, 262, 4, "PANTABOX", "model"),
        text(i, 266, 16, full("V1.2", 16), "firmware"),
        i(512, U16, ord("C"), status="charging"),
        i(513, U32L, 73_456, power_w=73_456),
        i(515, U32L, 154_321, session_energy_wh=154_321),
        i(517, U16, 31, max_current_a=31),
        i(518, U16, 12, current_a=12),
        i(519, U32L, 12_345_678, energy_wh=12_345_678),
        h(768, U16, 1, enabled=True),
        h(769, U16, 14, limit_a=14),
    ),
    cases=(
        *states(i, 512, U16, CODES),
        (h(768, U16, 0, enabled=False),),
    ),
    orders={
        "limit_a": lambda a: [w(769, a)],
        "pause": lambda _: [w(768, 0)],
        "resume": lambda _: [w(768, 1)],
    },
)

PC_ELECTRIC = Box(
    profile="pcelectric_ev11",
    port=502,
    holds=(
        h(100, U16, 6, status="charging"),
        h(101, U16, 2, phases=3),
        h(102, U16, 31_234, max_current_a=31.234),
        h(104, U16, 14_321, limit_a=14.321),
        h(105, U16, 432),
        h(109, Kind.N16, 305),
        h(110, U16, 0x1122, error=0x1122),
        text(h, 135, 2, "1.24", "firmware"),
        # Nobody tells whether these are digits or bytes.
        replace(h(138, Kind.HEX, "013203330435", serial="013203330435"), count=3),
        replace(h(141, Kind.HEX, "0a0b0c0d0e0f"), count=3),
        h(144, Kind.N16, 7345, power_w=7345),
        *three(h, range(150, 153), Kind.N16, "voltage_v", (2311, 2322, 2333), 0.1),
        *three(h, range(153, 156), Kind.N16, "current_a", (10_101, 11_202, 12_303), 0.001),
        *three(h, range(156, 159), Kind.N16, "power_w", (23_111, 24_222, 25_333), 0.1),
        h(159, U32, 123_456, energy_wh=12_345_600),
        h(200, U16, 13_000),
    ),
    cases=(
        *states(
            h,
            100,
            U16,
            {
                0: "unavailable",
                1: "available",
                2: "available",
                3: CONNECTED,
                4: CONNECTED,
                5: ("charging", *CONNECTED),
                7: BROKEN,
            },
        ),
        (h(101, U16, 1, phases=1),),
        (h(101, U16, 0, phases=(0, None)),),
    ),
)

PRACHT = Box(
    profile="pracht_alpha",
    port=502,
    unit=1,
    serial=(9600, "N", 1),
    holds=(
        h(74, U16, 3),
        h(100, U16, 0x0102, firmware=(0x0102, "0102")),
        h(101, U16, 0x0304),
        h(103, U16, 30),
        h(106, U16, 2, status="charging"),
        h(107, U16, 0),
    ),
    cases=states(h, 106, U16, {0: "available", 1: CONNECTED, 3: ("charging", *CONNECTED)}),
    # What all connectors may take must go along with what this one may.
    orders={"limit_a": lambda a: [w(2, a), w(3, a)]},
)

KSE = Box(
    profile="kse_wbx16",
    unit=100,
    serial=(9600, "E", 1),
    amps=(6, 16),
    holds=(
        i(0x10, U16, 5, status="charging"),
        *three(i, range(0x11, 0x14), Kind.N16, "voltage_v", (231, 232, 233), 1),
        *three(i, range(0x14, 0x17), Kind.N16, "current_a", (10_101, 11_202, 12_303), 0.001),
        i(0x17, Kind.N16, 5432, session_energy_wh=54_320),
        i(0x18, Kind.N16, 7345, power_w=7345),
        i(0x30, U16, 0x0102),
        i(0x60, U32, 12_345_678, energy_wh=12_345_678),
        h(0x03, U16, 14, limit_a=14),
        replace(h(0x67, Kind.HEX, "0102030405060708"), count=4),
    ),
    cases=states(i, 0x10, U16, {0: "available", 1: "available", 3: "available", 4: CONNECTED}),
    orders={"limit_a": lambda a: [w(0x03, a)]},
)

ALPHATEC = Box(
    profile="alphatec_autoaid",
    unit=1,
    serial=(9600, "N", 1),
    spacing_s=0.02,
    holds=(h(0, U16, 3, status="charging"), h(5, Kind.N16, 14, limit_a=14)),
    cases=states(h, 0, U16, {1: "available", 2: CONNECTED, 8: CONNECTED}),
    orders={"limit_a": lambda a: [w16(5, a)]},
)

EVSE_DIN = Box(
    profile="evse_din",
    unit=1,
    serial=(9600, "N", 1),
    spacing_s=0.2,
    holds=(
        h(1000, Kind.N16, 14, limit_a=14),
        h(1002, U16, 3, status="charging"),
        h(1005, Kind.N16, 16, firmware=16),
        h(2005, U16, 0),
    ),
    cases=states(h, 1002, U16, {1: "available", 2: CONNECTED, 4: "charging"}),
    orders={"limit_a": lambda a: [w(1000, a)]},
)

ETEK = Box(
    profile="etek_ekepc2",
    unit=255,
    serial=(9600, "N", 1),
    holds=(
        h(109, U16, 2405, limit_a=2405 / 167),
        h(141, U16, 5, status="charging"),
        h(152, U16, 2405),
        h(153, U16, 60),
        *three(h, range(159, 162), Kind.N16, "voltage_v", (231, 232, 233), 1),
        h(162, U16, 12),
        h(163, Kind.N16, 7345, power_w=7345),
        h(164, U32, 12_345_678, energy_wh=12_345_678),
    ),
    cases=states(
        h,
        141,
        U16,
        {
            0: "unavailable",
            1: "available",
            2: "faulted",
            3: CONNECTED,
            4: CONNECTED,
            19: (*DONE, "preparing", "unavailable"),
        },
    ),
    orders={
        "limit_a": lambda a: [w(109, a * 167)],
        "pause": lambda _: [w(89, 2)],
        "resume": lambda _: [w(89, 1)],
    },
)

EDGETECH = Box(
    profile="edgetech_smart_evse",
    unit=1,
    holds=(
        *(i(address, U16, 0x3132 + address) for address in range(5)),
        i(0x05, U16, 0x0102),
        i(0x103, U16, 2, status="charging"),
        *three(i, range(0x105, 0x108), Kind.N16, "current_a", (2600, 2900, 3200), 1 / 256),
        i(0x108, U16, 5432, session_energy_wh=5432 * 1000 / 256),
        *three(i, range(0x109, 0x10C), Kind.N16, "voltage_v", (59_137, 59_394, 59_651), 1 / 256),
        i(0x10D, U32L, 1_234_567, energy_wh=1_234_567 * 1000 / 256),
        h(0x201, Kind.N16, 0x0E0E, limit_a=14),
        h(0x204, U16, 0),
    ),
    cases=states(i, 0x103, U16, {0: "available", 1: CONNECTED, 3: BROKEN}),
    orders={"limit_a": lambda a: [w(0x201, a * 0x101)]},
)

OBO = Box(
    profile="obo",
    port=502,
    unit=101,
    serial=(19200, "E", 1),
    holds=(
        h(5, U16, 1, enabled=True),
        h(6, U16, 14, limit_a=14),
        h(11, U16, 2, status="charging"),
        h(28, U16, 5432),
        # The maker counts from 40000: 40031 is the fallback.
        h(30, U16, 9, fallback_a=9),
    ),
    cases=(
        *states(h, 11, U16, {0: "available", 1: CONNECTED}),
        (h(5, U16, 0, enabled=False),),
    ),
    orders={
        "limit_a": lambda a: [w(6, a)],
        "pause": lambda _: [w(5, 0)],
        "resume": lambda _: [w(5, 1)],
    },
)

VOLTIE = Box(
    profile="voltie",
    port=502,
    unit=1,
    holds=(
        h(0, U16, 1234),
        h(1, U16, 0x0102, firmware=(0x0102, "0102")),
        h(0x0A, U16, 3, status="charging"),
        h(0x0B, U16, 0),
        h(0x0C, U16, 1, enabled=True),
        h(0x0D, U16, 1, charging=True),
        h(0x0E, U16, 3),
        h(0x12, U16, 0),
        h(0x14, U16, 14_321, limit_a=14.321),
        *three(h, range(0x2000, 0x2006, 2), I32, "voltage_v", (231_111, 232_222, 233_333), 0.001),
        *three(h, range(0x2006, 0x200C, 2), I32, "current_a", (110_101, 111_202, 112_303), 0.001),
        h(0x200C, I32, 4321),
        h(0x200E, I32, 19_555_560, session_energy_wh=19_555_560 / 3600),
        h(0x2010, I32, 73_456, power_w=73_456),
    ),
    cases=(
        *states(
            h,
            0x0A,
            U16,
            {1: "available", 2: CONNECTED, 4: "charging", 0x0D: OUT, 0xFF: "unavailable"},
        ),
        (h(0x0C, U16, 0, enabled=False),),
        (h(0x0D, U16, 0, charging=False),),
    ),
    orders={
        "limit_a": lambda a: [w(0x14, a * 1000)],
        "pause": lambda _: [w(0x0C, 0)],
        "resume": lambda _: [w(0x0C, 1)],
    },
)

HESOTEC = Box(
    profile="hesotec_esat",
    port=502,
    unit=1,
    holds=(
        text(h, 0x10, 3, full("V1.2", 3), "firmware"),
        text(h, 0x13, 3, full("W1.2", 3)),
        text(h, 0x16, 3, full("X1.2", 3)),
        text(h, 0x19, 3, full("Y1.2", 3)),
        text(h, 0x1C, 3, full("Z1.2", 3)),
        h(0x4000, Kind.N16, 30),
        *three(h, range(0x4001, 0x4004), Kind.N16, "voltage_v", (231, 232, 233), 1),
        *three(h, range(0x4004, 0x400A, 2), U32, "current_a", (110_101, 111_202, 112_303), 0.001),
        h(0x400A, U32, 7_345_678, power_w=7345.678),
        # Spelled, its low word is a letter of a state too.
        h(0x4016, U32, 0x00014444),
        replace(text(h, 0x4018, 2, "C"), means={"status": "charging"}),
        h(0x401A, U32, 4321),
        h(0x401C, U32, 154_321, session_energy_wh=154_321),
        h(0x1003, U16, 14, limit_a=14),
    ),
    cases=texts(h, 0x4018, 2, LETTERS),
    orders={
        "limit_a": lambda a: [w(0x1003, a)],
        "pause": lambda _: [w(0x1002, 1)],
        "resume": lambda _: [w(0x1002, 0)],
    },
)

BOXES = (
    PANTABOX,
    PC_ELECTRIC,
    PRACHT,
    KSE,
    ALPHATEC,
    EVSE_DIN,
    ETEK,
    EDGETECH,
    OBO,
    VOLTIE,
    HESOTEC,
)
