"""A scan finds boxes by what they say of themselves, and only reads."""

import asyncio
from contextlib import AsyncExitStack, aclosing

import pytest

from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    Fingerprint,
    ModbusTransport,
    Profile,
    ReadingSpec,
    Register,
    Role,
    Space,
    Transform,
    Type,
)
from custom_components.forecourt.stations.modbus.address import ModbusAddress, own_line
from custom_components.forecourt.stations.modbus.scan import Found, Progress, hosts_of, scan
from simulator.modbus import Fault, RegisterServer, Tables


def _reading(
    role: Role, address: int, kind: Type = Type.U16, space: Space = Space.HOLDING, **more: object
) -> ReadingSpec:
    count = more.pop("count", 1)
    source = Register(space=space, address=address, type=kind, count=count)  # type: ignore[arg-type]
    return ReadingSpec(role=role, source=source, station=True, **more)  # type: ignore[arg-type]


def _profile(
    name: str, fingerprint: Fingerprint | None, *readings: ReadingSpec, unit: int = 1
) -> Profile:
    return Profile(
        id=name,
        vendor=name,
        models=(name,),
        protocol="modbus",
        confidence=Confidence.READ,
        sources=(),
        transport=ModbusTransport(unit=unit),
        readings={spec.role: spec for spec in readings},
        fingerprint=fingerprint,
    )


_NAME = _reading(Role.VENDOR, 100, Type.ASCII, count=3)
_SERIAL = _reading(Role.SERIAL, 110, Type.U32)
_VENDED = _profile("vended", Fingerprint(matches={Role.VENDOR: "^Acme"}), _NAME, _SERIAL)
_NUMBER = _profile(
    "numbered",
    Fingerprint(matches={Role.PROBE: "^7$"}, excludes={Role.FIRMWARE: "^13$"}),
    _reading(Role.PROBE, 50),
    _reading(Role.FIRMWARE, 51),
)
_ALIKE = [
    _profile(
        name,
        Fingerprint(matches={Role.PROBE: "^[1-6]$"}, identity=False),
        _reading(Role.PROBE, 0),
        unit=255,
    )
    for name in ("alike-a", "alike-b")
]
_COIL = _profile(
    "coil", Fingerprint(matches={Role.PROBE: "1"}), _reading(Role.PROBE, 0, space=Space.COIL)
)
_PROFILES = [*_ALIKE, _NUMBER, _VENDED, _COIL, _profile("nameless", None, _NAME)]

_ACME = {100: 0x4163, 101: 0x6D65, 102: 0, 110: 0, 111: 4711}


async def _scanned(*servers: RegisterServer) -> dict[str, Found | None]:
    port = servers[0].port
    async with aclosing(scan([each.host for each in servers], _PROFILES, port=port)) as steps:
        return {step.host: step.found async for step in steps}


async def test_a_box_is_found_by_its_name_and_asked_no_more() -> None:
    tables = Tables(holding={**_ACME, 50: 7, 51: 1}, coil={0: 1})
    async with RegisterServer({1: tables, 255: Tables(holding={0: 3})}, max_clients=1) as server:
        found = (await _scanned(server))["127.0.0.1"]
    assert found == Found(
        address=ModbusAddress(host="127.0.0.1", port=server.port),
        profiles=("vended",),
        sure=True,
        told={Role.VENDOR: "Acme", Role.SERIAL: 4711},
    )
    assert [(each.unit, each.function, each.address) for each in server.requests] == [
        (1, 3, 100),
        (1, 3, 110),
    ]
    assert server.connections == 1


async def test_a_number_does_where_there_is_no_name() -> None:
    async with RegisterServer({1: Tables(holding={50: 7, 51: 12})}) as server:
        found = (await _scanned(server))["127.0.0.1"]
    assert found is not None
    assert (found.profiles, found.told) == (("numbered",), {Role.FIRMWARE: 12})


async def test_who_plays_another_is_not_taken_for_it() -> None:
    async with RegisterServer({1: Tables(holding={50: 7, 51: 13})}) as server:
        assert (await _scanned(server))["127.0.0.1"] is None


async def test_where_models_look_alike_all_are_named() -> None:
    units = {1: Tables(), 255: Tables(holding={0: 3})}
    async with RegisterServer(units) as server:
        found = (await _scanned(server))["127.0.0.1"]
    assert found is not None
    assert (found.profiles, found.sure) == (("alike-a", "alike-b"), False)
    assert sum(each.unit == 255 for each in server.requests) == 1


async def test_an_inverter_is_no_box() -> None:
    sunspec = Tables(holding={40_000: 0x5375, 40_001: 0x6E53})
    async with RegisterServer({1: sunspec, 255: Tables(holding={0: 3})}) as server:
        assert (await _scanned(server))["127.0.0.1"] is None
    assert not any(each.unit == 255 for each in server.requests)


async def test_nothing_is_ever_written_and_nothing_but_registers_read() -> None:
    async with RegisterServer({1: Tables(coil={0: 1}), 255: Tables()}, gateway=True) as server:
        assert (await _scanned(server))["127.0.0.1"] is None
    assert server.requests
    assert {each.function for each in server.requests} <= {3, 4}


async def test_a_silent_unit_is_asked_once() -> None:
    async with RegisterServer({1: Tables(), 255: Tables(holding={0: 3})}) as server:
        server.fault = Fault(silent=frozenset((1,)))
        found = (await _scanned(server))["127.0.0.1"]
    assert found is not None
    assert [each.unit for each in server.requests] == [1, 255]


@pytest.mark.parametrize(
    "fault", [Fault(hang_up=True), Fault(exception=6), Fault(short=True), Fault(garbage=b"SSH-2.0")]
)
async def test_what_is_no_box_ends_well(fault: Fault) -> None:
    async with RegisterServer({1: Tables(holding=_ACME)}) as server:
        server.fault = fault
        assert (await _scanned(server))["127.0.0.1"] is None


async def test_several_hosts_are_looked_at_and_counted() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(RegisterServer({1: Tables(holding=_ACME)}))
        second = RegisterServer({1: Tables(holding={50: 7, 51: 1})}, host="127.0.0.2")
        second.port = first.port
        await stack.enter_async_context(second)
        steps: list[Progress] = [
            step
            async for step in scan(
                ["127.0.0.1", "127.0.0.2", "127.0.0.3"], _PROFILES, port=first.port
            )
        ]
    assert [(step.done, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    found = {step.host: step.found.profiles if step.found else None for step in steps}
    assert found == {"127.0.0.1": ("vended",), "127.0.0.2": ("numbered",), "127.0.0.3": None}


async def test_each_profile_is_looked_for_at_its_own_port() -> None:
    async with RegisterServer({1: Tables(holding=_ACME)}) as server:
        elsewhere = _profile("elsewhere", _VENDED.fingerprint, _NAME)
        object.__setattr__(elsewhere, "transport", ModbusTransport(port=server.port))
        nowhere = _profile("nowhere", _VENDED.fingerprint, _NAME)
        object.__setattr__(nowhere, "transport", ModbusTransport(port=1))
        steps = [step async for step in scan(["127.0.0.1"], [nowhere, elsewhere])]
    assert steps[0].found is not None
    assert steps[0].found.profiles == ("elsewhere",)


async def test_a_scan_can_be_stopped() -> None:
    async with RegisterServer({1: Tables()}) as server:
        server.fault = Fault(silent=True)
        async with aclosing(scan(["127.0.0.1"], _PROFILES, port=server.port)) as steps:
            task = asyncio.ensure_future(anext(steps))
            while not server.requests:  # noqa: ASYNC110 - the server is not to be changed for this
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        while server.clients:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(server.requests) == 1


async def test_units_without_a_meaning_are_compared_as_they_are() -> None:
    mapped = _profile(
        "mapped",
        Fingerprint(matches={Role.PROBE: "^9$"}),
        _reading(Role.PROBE, 50, transform=Transform(map={1: "one"})),
    )
    async with RegisterServer({1: Tables(holding={50: 9})}) as server:
        steps = [step async for step in scan(["127.0.0.1"], [mapped], port=server.port)]
    assert steps[0].found is not None


def test_hosts_are_counted_before_anything_is_asked() -> None:
    assert hosts_of(["192.168.1.0/30", "192.168.1.2", "10.0.0.7"]) == [
        "10.0.0.7",
        "192.168.1.1",
        "192.168.1.2",
    ]
    assert len(hosts_of(["192.168.1.17/24"])) == 254
    for wrong in (["10.0.0.0/23"], ["8.8.8.8"], ["box.local"], ["10.0.0.0/24", "10.0.1.0/24"]):
        with pytest.raises(ValueError, match=r"."):
            hosts_of(wrong)


async def test_a_line_of_ones_own_is_closed_with_its_context() -> None:
    async with RegisterServer({1: Tables(holding={0: 5})}) as server:
        address = ModbusAddress(host="127.0.0.1", port=server.port)
        async with own_line(address, timeout_s=1) as units, units(1) as unit:
            assert await unit.read_holding_registers(0, 1) == [5]
        while server.clients:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        (ModbusAddress(host="BOX", kind="tcp"), ("tcp", "box", 502)),
        (ModbusAddress(host="box", kind="udp", port=7), ("udp", "box", 7)),
        (ModbusAddress(host="box", kind="rtu_over_tcp"), ("serial", "socket://box:502")),
        (ModbusAddress(host="fe80::1", kind="rtu_over_tcp"), ("serial", "socket://[fe80::1]:502")),
        (ModbusAddress(host="/dev/ttyUSB0", kind="serial"), ("serial", "/dev/ttyUSB0")),
    ],
)
def test_each_kind_of_line_has_its_parameters(
    address: ModbusAddress, endpoint: tuple[str | int, ...]
) -> None:
    assert address.params.endpoint == endpoint
