"""Profiles with one mistake each, of the kinds that are made when registers are copied."""

from collections.abc import Iterator
from dataclasses import replace

from custom_components.forecourt.stations.declarative.profile import (
    OrderSpec,
    ReadingSpec,
    Register,
    Space,
    Transform,
    Type,
    WordOrder,
    Write,
)

_SIGNS = {
    Type.U16: Type.I16,
    Type.I16: Type.U16,
    Type.U32: Type.I32,
    Type.I32: Type.U32,
    Type.U64: Type.I64,
    Type.I64: Type.U64,
}
_WIDTHS = {
    Type.U16: Type.U32,
    Type.I16: Type.I32,
    Type.U32: Type.U16,
    Type.I32: Type.I16,
    Type.U64: Type.U32,
    Type.I64: Type.I32,
    Type.F32: Type.F64,
    Type.F64: Type.F32,
}
_SPACES = {
    Space.HOLDING: Space.INPUT,
    Space.INPUT: Space.HOLDING,
    Space.COIL: Space.DISCRETE,
    Space.DISCRETE: Space.COIL,
}
_TEXTS = (Type.ASCII, Type.UTF16, Type.HEX)
_BITS = (Space.COIL, Space.DISCRETE)


def of_reading(spec: ReadingSpec) -> Iterator[tuple[str, ReadingSpec]]:
    """Yield a name and a wrong reading for each mistake."""
    assert isinstance(spec.source, Register)
    for name, register in _registers(spec.source):
        yield name, replace(spec, source=register)
    yield "table", replace(spec, source=replace(spec.source, space=_SPACES[spec.source.space]))
    if spec.source.type in _SIGNS and spec.source.space not in _BITS:
        kind = _SIGNS[spec.source.type]
        yield "sign", replace(spec, source=replace(spec.source, type=kind))
    for name, transform in _transforms(spec.transform, spec.source.type in _TEXTS):
        yield name, replace(spec, transform=transform)


def of_order(spec: OrderSpec) -> Iterator[tuple[str, OrderSpec]]:
    """Yield a name and a wrong order for each mistake."""
    for number, write in enumerate(spec.writes):
        for name, wrong in _writes(write):
            writes = (*spec.writes[:number], wrong, *spec.writes[number + 1 :])
            yield f"{name} of write {number}", replace(spec, writes=writes)
        yield (
            "one write less",
            replace(spec, writes=spec.writes[:number] + spec.writes[number + 1 :]),
        )
    if len(set(map(_target, spec.writes))) > 1:
        yield "order of writes", replace(spec, writes=spec.writes[::-1])


def _target(write: Write) -> object:
    return write.target, write.value


def _writes(write: Write) -> Iterator[tuple[str, Write]]:
    assert isinstance(write.target, Register)
    assert write.function is not None
    for name, register in _registers(write.target):
        if name != "word order" or write.value != 0:  # the words of which are all the same
            yield name, replace(write, target=register)
    other = {6: 16, 16: 6, 5: 15, 15: 5}[write.function]
    yield "function", replace(write, function=other)
    if write.value is None:
        for name, transform in _transforms(write.transform, text=False):
            yield name, replace(write, transform=transform)
    elif write.target.type is Type.BIT or write.target.space in _BITS:
        yield "value", replace(write, value=not write.value)
    elif isinstance(write.value, (int, float)):
        yield "value", replace(write, value=write.value + 1)


def _registers(register: Register) -> Iterator[tuple[str, Register]]:
    yield "address + 1", replace(register, address=register.address + 1)
    yield "address - 1", replace(register, address=max(0, register.address - 1) or 9)
    if register.unit is not None:
        yield "unit", replace(register, unit=register.unit + 1)
    if register.connector_step:
        yield "step", replace(register, connector_step=register.connector_step + 1)
    if register.space in _BITS:
        return
    if register.type in _WIDTHS:
        yield "width", replace(register, type=_WIDTHS[register.type])
    words = register.count if register.type in _TEXTS else register.type.registers or 1
    if words > 1:
        first = register.order is WordOrder.HIGH_FIRST
        order = WordOrder.LOW_FIRST if first else WordOrder.HIGH_FIRST
        yield "word order", replace(register, order=order)
    if register.type in _TEXTS:
        yield "byte order", replace(register, swapped=not register.swapped)
        if register.count > 1:
            yield "count - 1", replace(register, count=register.count - 1)


def _transforms(transform: Transform, text: bool) -> Iterator[tuple[str, Transform]]:
    if transform.map:
        words = list(transform.map.values())
        turned = dict(zip(transform.map, [*words[1:], words[0]], strict=True))
        if turned != transform.map:
            yield "map", replace(transform, map=turned)
    elif transform.bit is None and not text:
        yield "scale x 10", replace(transform, scale=transform.scale * 10)
        yield "scale / 10", replace(transform, scale=transform.scale / 10)
    if transform.bit is not None:
        yield "bit", replace(transform, bit=transform.bit + 1)
    if transform.shift:
        yield "shift", replace(transform, shift=transform.shift + 1)
    if transform.offset:
        yield "offset", replace(transform, offset=0.0)
