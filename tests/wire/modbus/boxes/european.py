"""KEBA, ABB, Alfen, Heidelberg and Amperfied."""

from dataclasses import replace

from .box import (
    BROKEN,
    CONNECTED,
    DONE,
    OUT,
    PAUSED,
    READY,
    WAITING,
    Box,
    Case,
    Held,
    Kind,
    Meant,
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
    w6,
    w16,
    words32,
    wordsf,
)

U16, U32, F32 = Kind.U16, Kind.U32, Kind.F32

_KEBA = (
    h(1000, U32, 3, status="charging"),
    h(1004, U32, 7, plugged=True),
    h(1006, U32, 0x00018203, error=0x00018203),
    *three(h, (1008, 1010, 1012), U32, "current_a", (10_101, 11_202, 12_303), 0.001),
    h(1014, U32, 20_345_678, serial=(20_345_678, "20345678")),
    h(1020, U32, 7_345_678, power_w=7345.678),
    *three(h, (1040, 1042, 1044), U32, "voltage_v", (231, 232, 233), 1),
    h(1046, U32, 987),
    h(1100, U32, 16_123, limit_a=16.123),
    h(1110, U32, 32_456, max_current_a=32.456),
    replace(h(1500, Kind.HEX, "04a1b2c3", token="04a1b2c3"), count=2),
    h(1550, U32, 3),
    h(1600, U32, 8_765, fallback_a=8.765),
    h(1602, U32, 123, watchdog_s=123),
)
_KEBA_ENERGY = (
    h(1036, U32, 123_456_789, energy_wh=12_345_678.9),
    h(1502, U32, 543_219, session_energy_wh=54_321.9),
)
_KEBA_CASES = (
    # 1 is "not ready" of a box without a car, one that is switched off, or one without a card.
    *states(
        h,
        1000,
        U32,
        {
            0: "unavailable",
            1: ("available", "unavailable", *PAUSED),
            2: READY,
            4: BROKEN,
            5: WAITING,
        },
    ),
    *((h(1004, U32, raw, plugged=raw >= 4),) for raw in (0, 1, 3, 5)),
    (replace(h(1500, Kind.HEX, "00000000", token=None), count=2),),
)
_KEBA_ORDERS = {
    "limit_a": lambda a: [w6(5004, a * 1000)],
    "renew": lambda s: [w6(5018, s)],
    "fallback_a": lambda a: [w6(5016, a * 1000)],
    "watchdog_s": lambda s: [w6(5018, s)],
}

KEBA_P30 = Box(
    profile="keba_p30",
    unit=255,
    port=502,
    most=2,
    amps=(6, 63),
    values={"renew": (20, 600), "phases": (1, 3)},
    holds=(
        *_KEBA,
        *_KEBA_ENERGY,
        h(1016, U32, 312_111, probe=(312_111, "312111")),
        # Its bytes are the version: 3.10.42.
        h(1018, U32, 0x030A2A00, firmware=("030a2a00", 0x030A2A00, "3.10.42")),
        h(1552, U32, 1, phases=3),
    ),
    cases=(*_KEBA_CASES, (h(1552, U32, 0, phases=1),)),
    orders=_KEBA_ORDERS
    | {
        "pause": lambda _: [w6(5014, 0)],
        "resume": lambda _: [w6(5014, 1)],
        "unlock": lambda _: [w6(5012, 0)],
        # Who switches (5050) is set once, by the owner.
        "phases": lambda n: [w6(5052, picked({1: 0, 3: 1}, n))],
    },
)

KEBA_P40 = replace(
    KEBA_P30,
    profile="keba_p40",
    holds=(
        # 5004 is the limit here, and may be read; 16 bits of it.
        *(replace(each, means={}) if each.address == 1100 else each for each in _KEBA),
        *_KEBA_ENERGY,
        h(1016, U32, 4_121_110, probe=(4_121_110, "4121110")),
        h(1018, U32, 10_300, firmware=(10_300, "10300", "1.3.0")),
        h(1552, U32, 3, phases=3),
        h(5004, U16, 15_432, limit_a=15.432),
    ),
    # Everything but 1 means three.
    cases=(
        *_KEBA_CASES,
        *((h(1552, U32, raw, phases=3 if raw != 1 else 1),) for raw in (0, 1, 2)),
    ),
    orders=_KEBA_ORDERS | {"phases": lambda n: [w6(5052, picked({1: 0, 3: 1}, n))]},
)

KEBA_P40_OLD = replace(
    KEBA_P40,
    profile="keba_p40_before_1_2_1",
    lacks=frozenset(("phases",)),
    holds=(
        *(each for each in KEBA_P40.holds if each.address not in (1018, 1036, 1502)),
        h(1018, U32, 10_200, firmware=(10_200, "10200", "1.2.0")),
        h(1036, U32, 12_345_678, energy_wh=12_345_678),
        h(1502, U32, 54_321, session_energy_wh=54_321),
    ),
)

ABB = Box(
    profile="abb_terra_ac",
    unit=1,
    port=502,
    values={"watchdog_s": (30, 61, 90)},
    holds=(
        # Who listened does not agree whether its bytes are a number or a text.
        replace(
            h(0x4000, Kind.HEX, "5441433233343536", serial=("5441433233343536", "TAC23456")),
            count=4,
        ),
        h(0x4004, U32, 0x01060500, firmware=("01060500", 0x01060500, "1.6.5")),
        h(0x4006, U32, 32_456, max_current_a=32.456),
        h(0x4008, U32, 0x0102, error=0x0102),
        h(0x400A, U32, 0x0101),
        h(0x400C, U32, 0x0455, status="charging"),
        h(0x400E, U32, 15_432, limit_a=15.432),
        *three(h, range(0x4010, 0x4016, 2), U32, "current_a", (10_101, 11_202, 12_303), 0.001),
        *three(h, range(0x4016, 0x401C, 2), U32, "voltage_v", (2311, 2322, 2333), 0.1),
        h(0x401C, U32, 73_456, power_w=73_456),
        h(0x401E, U32, 154_321, session_energy_wh=154_321),
        h(0x4020, U16, 0x3344, watchdog_s=0x3344),
    ),
    cases=states(
        h,
        0x400C,
        U32,
        {
            0x0000: "available",
            0x0133: PAUSED,
            0x82A5: CONNECTED,
            0x0377: CONNECTED,
            0x8499: "charging",
            0x0511: (*DONE, "preparing"),
        },
    ),
    orders={
        "limit_a": lambda a: [w16(0x4100, *words32(a * 1000))],
        "watchdog_s": lambda s: [w6(0x4106, s)],
    },
)


def _alfen_socket(shift: float, state: str, word: Meant) -> tuple[Held, ...]:
    return (
        *three(h, (306, 308, 310), F32, "voltage_v", (231.1 + shift, 232.2, 233.3), 1),
        *three(h, (320, 322, 324), F32, "current_a", (10.1 + shift, 11.2, 12.3), 1),
        h(344, F32, 7345.6 + shift, power_w=7345.6 + shift),
        h(374, Kind.F64, 12_345_678.9 + shift, energy_wh=12_345_678.9 + shift),
        h(1200, U16, 1),
        replace(text(h, 1201, 5, state), means={"status": word}),
        h(1206, F32, 14.14),
        h(1208, U32, 55),
        h(1210, F32, 15.432 + shift, limit_a=15.432 + shift),
        h(1212, F32, 6.5 + shift, fallback_a=6.5 + shift),
        h(1214, U16, 1),
        h(1215, U16, 3, phases=3),
    )


def _alfen_states() -> tuple[Case, ...]:
    words: dict[str, Meant] = {
        "A": "available",
        "B1": CONNECTED,
        "B2": CONNECTED,
        "C1": CONNECTED,
        "C2": "charging",
        "D1": CONNECTED,
        "D2": "charging",
        "E": OUT,
        "F": OUT,
    }
    return tuple(of_unit(1, *case) for case in texts(h, 1201, 5, words))


ALFEN = Box(
    profile="alfen_eve",
    unit=1,
    port=502,
    outlets=2,
    values={"phases": (1, 3)},
    holds=(
        *at(
            0,
            *of_unit(
                200,
                text(h, 100, 17, "ALF-0001234"),
                text(h, 117, 5, "Alfen NV", "vendor"),
                h(122, Kind.I16, 1),
                text(h, 123, 17, "7.3.0-4321", "firmware"),
                text(h, 140, 17, "NG910", "model"),
                text(h, 157, 11, full("ACE0", 11), "serial"),
                h(1100, F32, 31.75, max_current_a=31.75),
                h(1104, U16, 1),
                h(1105, U16, 2),
            ),
        ),
        *at(1, *of_unit(1, *_alfen_socket(0, "C2", "charging"))),
        *at(2, *of_unit(2, *_alfen_socket(0.25, "B1", CONNECTED))),
    ),
    cases=(
        *_alfen_states(),
        of_unit(1, h(1215, U16, 1, phases=1)),
        of_unit(1, h(344, F32, float("nan"), power_w=None)),
        of_unit(1, h(374, Kind.F64, float("nan"), energy_wh=None)),
    ),
    # Newer firmwares refuse function 6.
    orders={
        "limit_a": lambda a: [w16(1210, *wordsf(a))],
        "phases": lambda n: [w16(1215, n)],
    },
    second={
        "limit_a": lambda a: [Told((16,), 1210, wordsf(a), unit=2)],
        "phases": lambda n: [Told((16,), 1215, (round(n),), unit=2)],
    },
)

_HEIDELBERG = (
    i(5, U16, 7, status="charging"),
    *three(i, range(6, 9), U16, "current_a", (101, 112, 123), 0.1),
    i(9, Kind.I16, 305),
    *three(i, range(10, 13), U16, "voltage_v", (231, 232, 233), 1),
    i(13, U16, 1),
    i(14, U16, 7345, power_w=7345),
    i(15, U32, 654_321),
    i(17, U32, 12_345_678, energy_wh=12_345_678),
    i(100, U16, 16, max_current_a=16),
    i(101, U16, 6),
    text(i, 102, 32, full("EC-", 32), "model"),
    h(257, U16, 15_100, watchdog_s=15.1),
    h(259, U16, 1),
    h(261, U16, 143, limit_a=14.3),
    h(262, U16, 87, fallback_a=8.7),
)
_HEIDELBERG_CASES = states(
    i,
    5,
    U16,
    {
        2: "available",
        3: "available",
        4: CONNECTED,
        5: CONNECTED,
        6: CONNECTED,
        7: "charging",
        8: ("charging", *WAITING),  # derating, because it is too hot
        9: OUT,
        10: ("unavailable", "faulted", "suspended_evse"),
        11: BROKEN,
    },
)
# evcc counts both 6 and 7 as charging; the letters say that in C1 no current is offered.
_HEIDELBERG_CASES = tuple(
    (replace(case[0], means={"status": (*CONNECTED, "charging")}),) if case[0].raw == 6 else case
    for case in _HEIDELBERG_CASES
)

HEIDELBERG = Box(
    profile="heidelberg_energy_control",
    unit=1,
    serial=(19200, "E", 1),
    spacing_s=0.1,
    amps=(6, 16),
    holds=(
        *_HEIDELBERG,
        i(4, U16, 0x107, probe=0x107),
        i(200, U16, 0x2211),
        i(203, U16, 0x1234, firmware=(0x1234, "1234")),
    ),
    cases=_HEIDELBERG_CASES,
    orders={
        "prepare": lambda _: [w(258, 4)],
        "limit_a": lambda a: [w(261, a * 10)],
        "fallback_a": lambda a: [w(262, a * 10)],
        "watchdog_s": lambda s: [w(257, s * 1000)],
    },
)

AMPERFIED = Box(
    profile="amperfied_connect",
    port=502,
    unit=255,
    amps=(6, 16),
    values={"phases": (1, 3)},
    flash=frozenset((257, 258, 259, 262)),
    holds=(
        *_HEIDELBERG,
        i(4, U16, 0x108, probe=0x108),
        i(19, U32, 54_321_9, session_energy_wh=543_219),
        # What 5001 holds when is not told.
        h(501, U16, 3, phases=3),
        i(5001, U16, 0x5A5B),
    ),
    cases=(*_HEIDELBERG_CASES, (h(501, U16, 1, phases=1),)),
    orders={
        "limit_a": lambda a: [w16(261, a * 10)],
        "phases": lambda n: [w(501, n)],
        "fallback_a": lambda a: [w16(262, a * 10)],
        "watchdog_s": lambda s: [w16(257, s * 1000)],
    },
)

BOXES = (KEBA_P30, KEBA_P40, KEBA_P40_OLD, ABB, ALFEN, HEIDELBERG, AMPERFIED)
