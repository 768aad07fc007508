"""A box with real sockets: what it tells, what it is told, and all the ways it fails."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
import struct
from types import ModuleType

from modbus_connection import ModbusTcpParams, ModbusUnit, pymodbus, tmodbus
import pytest

from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    Fingerprint,
    ModbusTransport,
    Order,
    OrderSpec,
    Profile,
    ReadingSpec,
    Register,
    Role,
    Space,
    Transform,
    Type,
    Write,
)
from custom_components.forecourt.stations.modbus import asking
from custom_components.forecourt.stations.modbus.link import ModbusLink, Units
from custom_components.forecourt.stations.modbus.turns import Pace
from simulator.modbus import Fault, RegisterServer, Tables

type Make = Callable[..., ModbusLink]

_TRANSPORT = ModbusTransport(timeout_s=0.4, max_gap=4)


def _reading(
    role: Role, address: int, kind: Type = Type.U16, *, space: Space = Space.HOLDING, **more: object
) -> ReadingSpec:
    place = {key: more.pop(key) for key in ("unit", "count", "connector_step") if key in more}
    source = Register(space=space, address=address, type=kind, **place)  # type: ignore[arg-type]
    return ReadingSpec(role=role, source=source, **more)  # type: ignore[arg-type]


def _write(
    address: int,
    function: int = 6,
    kind: Type = Type.U16,
    *,
    space: Space = Space.HOLDING,
    **more: object,
) -> Write:
    target = Register(space=space, address=address, type=kind)
    return Write(target=target, function=function, **more)  # type: ignore[arg-type]


def _profile(
    *readings: ReadingSpec,
    orders: tuple[OrderSpec, ...] = (),
    fingerprint: Fingerprint | None = None,
    transport: ModbusTransport = _TRANSPORT,
) -> Profile:
    return Profile(
        id="box",
        vendor="Nobody",
        models=("Box",),
        protocol="modbus",
        confidence=Confidence.EXPERIMENTAL,
        sources=(),
        transport=transport,
        readings={spec.role: spec for spec in readings},
        orders={spec.order: spec for spec in orders},
        fingerprint=fingerprint,
    )


_STATUS = _reading(
    Role.STATUS, 0, transform=Transform(map={1: "available", 2: "preparing", 3: "charging"})
)
_CURRENT = _reading(Role.CURRENT_A_1, 1, Type.U32, transform=Transform(scale=0.001))
_POWER = _reading(Role.POWER_W, 10, Type.F32, space=Space.INPUT)
_VOLTS = _reading(Role.VOLTAGE_V_1, 4, slow=True, optional=True)
_SOC = _reading(Role.SOC_PERCENT, 30, slow=True)
_LIMIT = OrderSpec(order=Order.LIMIT_A, writes=(_write(20, transform=Transform(scale=0.001)),))


def _float(number: float) -> dict[int, int]:
    return dict(enumerate(struct.unpack(">HH", struct.pack(">f", number)), 10))


def _box(**more: object) -> dict[int, Tables]:
    return {
        1: Tables(
            holding={0: 3, 1: 0, 2: 16000, 20: 0, 21: 0, 22: 0, 30: 7},
            input=_float(11040.0),
            coil={5: 0},
        )
    }


@pytest.fixture
async def server() -> AsyncIterator[RegisterServer]:
    async with RegisterServer(_box()) as server:
        yield server


@pytest.fixture(params=[tmodbus, pymodbus], ids=["tmodbus", "pymodbus"])
def backend(request: pytest.FixtureRequest) -> ModuleType:
    """Home Assistant uses the first, what runs without it the second."""
    module: ModuleType = request.param
    return module


@pytest.fixture
async def make(server: RegisterServer, backend: ModuleType) -> AsyncIterator[Make]:
    connection = backend.ModbusConnection(ModbusTcpParams(host="127.0.0.1", port=server.port))
    links: list[ModbusLink] = []

    @asynccontextmanager
    async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
        yield connection.for_unit(unit_id)

    def link(profile: Profile, units: Units = unit, **more: object) -> ModbusLink:
        made = ModbusLink(profile, units, **more)  # type: ignore[arg-type]
        links.append(made)
        return made

    yield link
    for each in links:
        await each.close()
    await connection.close()


async def _opened(make: Make, *readings: ReadingSpec, **more: object) -> ModbusLink:
    outlets = more.pop("outlets", 1)
    link = make(_profile(*readings, **more), outlets=outlets)  # type: ignore[arg-type]
    await link.open()
    return link


async def _fault(link: ModbusLink) -> LinkFault:
    with pytest.raises(LinkError) as caught:
        await link.read()
    return caught.value.fault


async def test_a_box_is_read_in_the_words_of_the_profile(make: Make) -> None:
    link = await _opened(make, _STATUS, _CURRENT, _POWER)
    sample = await link.read()
    assert sample.outlets == {
        1: {Role.STATUS: "charging", Role.CURRENT_A_1: 16.0, Role.POWER_W: 11040.0}
    }
    assert not sample.faults
    assert link.connected


async def test_neighbours_are_read_together(make: Make, server: RegisterServer) -> None:
    link = await _opened(make, _STATUS, _CURRENT, _POWER)
    server.requests.clear()
    await link.read()
    assert [(each.function, each.address, each.count) for each in server.requests] == [
        (3, 0, 3),
        (4, 10, 2),
    ]


async def test_what_hardly_changes_stands_until_its_turn_comes(
    make: Make, server: RegisterServer
) -> None:
    link = await _opened(make, _STATUS, _reading(Role.MAX_CURRENT_A, 30, slow=True, station=True))
    assert (await link.read(slow=True)).station == {Role.MAX_CURRENT_A: 7}
    server.units[1].holding[30] = 8
    assert (await link.read()).station == {Role.MAX_CURRENT_A: 7}
    assert (await link.read(slow=True)).station == {Role.MAX_CURRENT_A: 8}
    server.units[1].holding[30] = 9
    for _ in range(Pace.SELDOM):
        sample = await link.read()
    assert sample.station == {Role.MAX_CURRENT_A: 9}


async def test_what_was_told_is_not_shown_as_it_was_before(
    make: Make, server: RegisterServer
) -> None:
    order = replace(_LIMIT, read_back=Role.LIMIT_A)
    limit = _reading(Role.LIMIT_A, 20, slow=True, transform=Transform(scale=0.001))
    link = make(_profile(_STATUS, _POWER, limit, _VOLTS, _SOC, orders=(order,)))
    await link.open()
    assert (await link.read(slow=True)).outlets[1][Role.LIMIT_A] == 0
    # Its turn is just over.
    assert (await link.read()).outlets[1][Role.LIMIT_A] == 0
    await link.tell(Order.LIMIT_A, 10)
    server.requests.clear()
    assert (await link.read()).outlets[1][Role.LIMIT_A] == 10
    assert len(server.requests) == 3
    server.fault = Fault(exceptions={20: 6})
    await link.read(slow=True)
    # What could not be read is not known.
    assert Role.LIMIT_A not in (await link.read()).outlets[1]


@pytest.mark.parametrize(
    "fault",
    [Fault(silent_at=frozenset((3,))), Fault(exceptions={3: 6})],
    ids=["silent", "busy"],
)
async def test_a_block_that_baffles_the_box_is_split(
    make: Make, server: RegisterServer, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_PATIENCE_S", 0.1)
    server.units[1].holding |= {3: 0, 4: 231}
    server.fault = fault
    link = await _opened(make, _STATUS, replace(_VOLTS, slow=False))
    assert (await link.read()).outlets[1] == {Role.STATUS: "charging", Role.VOLTAGE_V_1: 231}


async def test_each_outlet_tells_of_itself(make: Make, server: RegisterServer) -> None:
    server.units[1].holding[100] = 1
    link = await _opened(
        make,
        _reading(Role.STATUS, 0, connector_step=100, transform=_STATUS.transform),
        outlets=2,
    )
    sample = await link.read()
    assert sample.outlets == {1: {Role.STATUS: "charging"}, 2: {Role.STATUS: "available"}}


async def test_a_number_that_is_none_is_unknown(make: Make, server: RegisterServer) -> None:
    server.units[1].input.update(_float(float("nan")))
    server.units[1].holding |= {1: 0xFFFF, 2: 0xFFFF}
    current = _reading(Role.CURRENT_A_1, 1, Type.U32, transform=Transform(none=(0xFFFFFFFF,)))
    link = await _opened(make, _POWER, current)
    assert (await link.read()).outlets == {1: {Role.POWER_W: None, Role.CURRENT_A_1: None}}


async def test_a_value_without_a_meaning_is_told_as_it_is(
    make: Make, server: RegisterServer
) -> None:
    link = await _opened(make, _STATUS)
    server.units[1].holding[0] = 99
    sample = await link.read()
    assert sample.unknown == {Role.STATUS: 99}
    assert sample.outlets == {1: {}}


async def test_what_a_box_does_not_have_is_left_out(make: Make, server: RegisterServer) -> None:
    missing = _reading(Role.TOKEN, 3, Type.U32, optional=True)
    link = await _opened(make, _STATUS, _CURRENT, missing)
    assert link.has(Role.STATUS)
    assert link.has(Role.CURRENT_A_1)
    assert not link.has(Role.TOKEN)
    server.requests.clear()
    assert not (await link.read()).faults
    assert len(server.requests) <= 2


@pytest.mark.parametrize("code", [1, 2, 3])
async def test_an_optional_reading_is_refused_in_many_ways(
    make: Make, server: RegisterServer, code: int
) -> None:
    server.fault = Fault(exceptions={30: code})
    link = await _opened(make, _STATUS, _reading(Role.TOKEN, 30, optional=True))
    assert not link.has(Role.TOKEN)


async def test_a_needed_reading_that_is_refused_is_a_fault(make: Make) -> None:
    link = await _opened(make, _STATUS, _reading(Role.ENERGY_WH, 50, Type.U32))
    sample = await link.read()
    assert sample.faults == {Role.ENERGY_WH: LinkFault.NOT_SUPPORTED}
    assert sample.outlets == {1: {Role.STATUS: "charging"}}


async def test_a_gap_that_may_not_be_read_is_left_out(make: Make, server: RegisterServer) -> None:
    server.units[1].holding |= {4: 1}
    link = await _opened(make, _STATUS, _reading(Role.PLUGGED, 4))
    server.requests.clear()
    assert (await link.read()).outlets == {1: {Role.STATUS: "charging", Role.PLUGGED: 1}}
    assert len(server.requests) == 2


async def test_a_box_that_keeps_silent_about_what_it_has_not(
    make: Make, server: RegisterServer
) -> None:
    server.fault = Fault(silent_at=frozenset((30,)))
    link = await _opened(make, _STATUS, _reading(Role.TOKEN, 30, optional=True))
    assert not link.has(Role.TOKEN)
    assert sum(each.address == 30 for each in server.requests) == 2


async def test_a_write_that_no_function_can_do_is_refused(
    make: Make, server: RegisterServer
) -> None:
    wrong = OrderSpec(order=Order.LIMIT_W, writes=(_write(20, 6, Type.U32),))
    link = await _opened(make, _STATUS, orders=(wrong,))
    with pytest.raises(LinkError) as caught:
        await link.tell(Order.LIMIT_W, 4140)
    assert caught.value.fault is LinkFault.NOT_SUPPORTED
    assert not server.writes


async def test_a_block_that_fails_takes_no_other_with_it(
    make: Make, server: RegisterServer
) -> None:
    link = await _opened(make, _STATUS, _CURRENT, _POWER)
    server.fault = Fault(exceptions={10: 4})
    sample = await link.read()
    assert sample.faults == {Role.POWER_W: LinkFault.BUSY}
    assert sample.outlets == {1: {Role.STATUS: "charging", Role.CURRENT_A_1: 16.0}}
    assert link.connected


async def test_a_unit_that_keeps_silent_beside_one_that_answers_is_the_wrong_one(
    make: Make, server: RegisterServer
) -> None:
    server.units[2] = Tables(holding={0: 1})
    link = await _opened(make, _STATUS, _reading(Role.SERIAL, 0, unit=2))
    server.fault = Fault(silent=frozenset((2,)))
    assert (await link.read()).faults == {Role.SERIAL: LinkFault.WRONG_UNIT}


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault(silent=True), LinkFault.TIMEOUT),
        (Fault(exception=1), LinkFault.NOT_SUPPORTED),
        (Fault(exception=2), LinkFault.NOT_SUPPORTED),
        (Fault(exception=4), LinkFault.BUSY),
        (Fault(exception=5), LinkFault.BUSY),
        (Fault(exception=8), LinkFault.GARBLED),
        (Fault(exception=10), LinkFault.WRONG_UNIT),
        (Fault(exception=11), LinkFault.WRONG_UNIT),
        (Fault(short=True), LinkFault.GARBLED),
        (Fault(hang_up=True), LinkFault.BUSY),
        (Fault(garbage=b"HTTP/1.1 400 Bad Request\r\n\r\n"), LinkFault.TIMEOUT),
        (Fault(garbage=b"\x00"), LinkFault.TIMEOUT),
        (Fault(garbage=bytes(600)), LinkFault.TIMEOUT),
        (Fault(delay_s=0.6), LinkFault.TIMEOUT),
    ],
    ids=str,
)
async def test_a_box_that_answers_nothing_is_told_apart_and_comes_back(
    make: Make, server: RegisterServer, fault: Fault, cause: LinkFault
) -> None:
    link = await _opened(make, _STATUS, _CURRENT, _POWER)
    server.fault = fault
    assert await _fault(link) is cause
    assert not link.connected
    server.fault = Fault()
    for _ in range(3):  # what came too late may still be in the way
        try:
            sample = await link.read()
        except LinkError:
            continue
        if not sample.faults:
            break
    assert sample.outlets[1][Role.STATUS] == "charging"
    assert link.connected


async def test_a_box_that_says_it_is_busy_for_long_does_not_keep_the_line(
    make: Make, server: RegisterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_PATIENCE_S", 0.1)
    link = await _opened(make, _STATUS)
    server.fault = Fault(exception=6)
    assert await _fault(link) is LinkFault.BUSY


async def test_a_silent_box_is_asked_once(make: Make, server: RegisterServer) -> None:
    far = _reading(Role.PLUGGED, 30)
    link = await _opened(make, _STATUS, _POWER, far)
    server.fault = Fault(silent=True)
    server.requests.clear()
    assert await _fault(link) is LinkFault.TIMEOUT
    assert len(server.requests) == 1


async def test_nobody_listens(make: Make, server: RegisterServer) -> None:
    link = make(_profile(_STATUS))
    await server.stop()
    with pytest.raises(LinkError) as caught:
        await link.open()
    assert caught.value.fault is LinkFault.REFUSED
    assert not link.connected


async def test_a_box_that_talks_to_somebody_else_already(backend: ModuleType) -> None:
    async with RegisterServer(_box(), max_clients=1) as server:
        parameters = ModbusTcpParams(host="127.0.0.1", port=server.port)
        first, second = (backend.ModbusConnection(parameters) for _ in range(2))
        await first.connect()
        await first.for_unit(1).read_holding_registers(0, 1)

        @asynccontextmanager
        async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
            yield second.for_unit(unit_id)

        link = ModbusLink(_profile(_STATUS), unit)
        with pytest.raises(LinkError) as caught:
            await link.open()
        # Whether the connection is there before it is closed is a matter of luck.
        assert caught.value.fault in (LinkFault.BUSY, LinkFault.REFUSED)
        await first.close()
        await second.close()


async def test_a_missing_unit_behind_a_gateway(backend: ModuleType) -> None:
    async with RegisterServer(_box(), gateway=True) as server:
        connection = backend.ModbusConnection(ModbusTcpParams(host="127.0.0.1", port=server.port))

        @asynccontextmanager
        async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
            yield connection.for_unit(unit_id)

        link = ModbusLink(_profile(_STATUS, transport=ModbusTransport(unit=9)), unit)
        with pytest.raises(LinkError) as caught:
            await link.open()
        assert caught.value.fault is LinkFault.WRONG_UNIT
        await connection.close()


_WHO = _reading(Role.PROBE, 30, slow=True, station=True)


async def test_the_right_model_opens(make: Make) -> None:
    print_ = Fingerprint(matches={Role.PROBE: "^7$"}, excludes={Role.FIRMWARE: "^9"})
    link = await _opened(make, _STATUS, _WHO, fingerprint=print_)
    assert (await link.read()).outlets[1][Role.STATUS] == "charging"


@pytest.mark.parametrize(
    "wrong",
    [
        Fingerprint(matches={Role.PROBE: "^8$"}),
        Fingerprint(matches={Role.MODEL: "."}),
        Fingerprint(matches={Role.PROBE: "7"}, excludes={Role.STATUS: "charging"}),
    ],
    ids=["another value", "no such register", "an impostor"],
)
async def test_another_model_does_not(make: Make, wrong: Fingerprint) -> None:
    model = _reading(Role.MODEL, 70, Type.ASCII, count=4)
    with pytest.raises(LinkError) as caught:
        await _opened(make, _STATUS, _WHO, model, fingerprint=wrong)
    assert caught.value.fault is LinkFault.WRONG_MODEL


async def test_firmware_decides_what_there_is(make: Make, server: RegisterServer) -> None:
    server.units[1].holding |= {40: 1, 41: 4, 42: 9}
    firmware = _reading(Role.FIRMWARE, 40, Type.HEX, count=1, station=True, slow=True)
    late = _reading(Role.PLUGGED, 41, from_firmware="2")
    early = _reading(Role.CHARGING, 42, to_firmware="2")
    order = OrderSpec(order=Order.UNLOCK, writes=(_write(20, value=1),), from_firmware="2")
    link = await _opened(make, _STATUS, firmware, late, early, orders=(order, _LIMIT))
    assert link.firmware == "0001"
    assert not link.has(Role.PLUGGED)
    assert link.has(Role.CHARGING)
    assert not link.has(Order.UNLOCK)
    assert link.has(Order.LIMIT_A)
    with pytest.raises(LinkError) as caught:
        await link.tell(Order.UNLOCK)
    assert caught.value.fault is LinkFault.NOT_SUPPORTED


async def test_before_it_is_open_a_link_knows_what_the_profile_says(make: Make) -> None:
    link = make(_profile(_STATUS, _reading(Role.PLUGGED, 3, from_firmware="2")), firmware="1.9")
    assert link.has(Role.STATUS)
    assert not link.has(Role.PLUGGED)
    assert not link.has(Role.POWER_W)
    assert await _fault(link) is LinkFault.REFUSED
    with pytest.raises(LinkError):
        await make(_profile(_STATUS, orders=(_LIMIT,))).tell(Order.LIMIT_A, 6)


async def test_each_order_is_written_by_its_function(make: Make, server: RegisterServer) -> None:
    orders = (
        _LIMIT,
        OrderSpec(order=Order.PAUSE, writes=(_write(5, 5, Type.BIT, space=Space.COIL, value=0),)),
        OrderSpec(order=Order.RESUME, writes=(_write(5, 15, Type.BIT, space=Space.COIL, value=1),)),
        OrderSpec(order=Order.LIMIT_W, writes=(_write(21, 16, Type.F32),)),
        OrderSpec(order=Order.PHASES, writes=(_write(20, transform=Transform(map={0: 1, 1: 3})),)),
    )
    link = await _opened(make, _STATUS, orders=orders)
    await link.tell(Order.LIMIT_A, 13)
    await link.tell(Order.RESUME)
    await link.tell(Order.PAUSE)
    await link.tell(Order.LIMIT_W, 4140)
    await link.tell(Order.PHASES, 3)
    assert [(each.function, each.address, each.values) for each in server.writes] == [
        (6, 20, (13000,)),
        (15, 5, (1,)),
        (5, 5, (0,)),
        (16, 21, tuple(_float(4140.0).values())),
        (6, 20, (1,)),
    ]


async def test_an_order_may_be_several_writes(make: Make, server: RegisterServer) -> None:
    both = OrderSpec(
        order=Order.UNLOCK, writes=(_write(20, value=1, delay_s=0.01), _write(21, value=2))
    )
    link = await _opened(make, _STATUS, orders=(both,))
    await link.tell(Order.UNLOCK)
    assert [(each.address, each.values) for each in server.writes] == [(20, (1,)), (21, (2,))]


async def test_an_outlet_is_told_at_its_own_place(make: Make, server: RegisterServer) -> None:
    target = Register(space=Space.HOLDING, address=20, connector_step=2)
    limit = OrderSpec(order=Order.LIMIT_A, writes=(Write(target=target, function=6),))
    link = await _opened(make, _STATUS, orders=(limit,), outlets=1)
    await link.tell(Order.LIMIT_A, 6, outlet=2)
    assert (server.writes[0].address, server.writes[0].values) == (22, (6,))


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (1, LinkFault.WRITE_ACCESS),
        (2, LinkFault.WRITE_ACCESS),
        (3, LinkFault.NOT_SUPPORTED),
        (4, LinkFault.WRITE_ACCESS),
        (11, LinkFault.WRONG_UNIT),
    ],
)
async def test_a_box_that_does_not_let_itself_be_told(
    make: Make, server: RegisterServer, code: int, cause: LinkFault
) -> None:
    link = await _opened(make, _STATUS, orders=(_LIMIT,))
    server.on_write = lambda _: code
    with pytest.raises(LinkError) as caught:
        await link.tell(Order.LIMIT_A, 6)
    assert caught.value.fault is cause
    assert f"exception {code}" in caught.value.detail


@pytest.mark.parametrize("value", [None, 66, -1, "six", float("nan")])
async def test_what_a_register_cannot_hold_is_not_written(
    make: Make, server: RegisterServer, value: float | str | None
) -> None:
    link = await _opened(make, _STATUS, orders=(_LIMIT,))
    with pytest.raises(LinkError) as caught:
        await link.tell(Order.LIMIT_A, value)
    assert caught.value.fault is LinkFault.NOT_SUPPORTED
    assert not server.writes


async def test_a_link_may_be_opened_again(make: Make) -> None:
    link = await _opened(make, _STATUS)
    await link.close()
    await link.close()
    assert not link.connected
    await link.open()
    assert (await link.read()).outlets[1][Role.STATUS] == "charging"


async def test_the_units_are_given_back(server: RegisterServer, backend: ModuleType) -> None:
    connection = backend.ModbusConnection(ModbusTcpParams(host="127.0.0.1", port=server.port))
    held: list[int] = []

    @asynccontextmanager
    async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
        held.append(unit_id)
        yield connection.for_unit(unit_id)
        held.remove(unit_id)

    link = ModbusLink(_profile(_STATUS, _reading(Role.SERIAL, 0, unit=200)), unit)
    with pytest.raises(LinkError):
        await link.open()
    assert held == []
    link = ModbusLink(_profile(_STATUS), unit)
    await link.open()
    assert held == [1]
    await link.close()
    assert held == []
    await connection.close()


def test_a_profile_of_another_protocol_is_refused() -> None:
    profile = _profile(_STATUS, transport=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not for Modbus"):
        ModbusLink(profile, lambda _: None)  # type: ignore[arg-type,return-value]


async def test_a_box_tells_nothing_by_itself(make: Make) -> None:
    make(_profile(_STATUS)).on_news(lambda: None)()
