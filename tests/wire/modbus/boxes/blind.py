"""Mistakes that a box cannot notice, since its description leaves both ways open."""

from custom_components.forecourt.stations.declarative.profile import (
    OrderSpec,
    ReadingSpec,
    Register,
    Role,
)
from simulator.modbus import Table

from .box import Box, Kind


def to_reading(box: Box, spec: ReadingSpec, mistake: str) -> bool:
    """Return whether this mistake makes no difference."""
    assert isinstance(spec.source, Register)
    held = [
        each
        for each in box.holds
        if each.address == spec.source.address and each.table.value == spec.source.space.value
    ]
    tables = {Table.HOLDING, Table.INPUT}
    if mistake == "table":
        both = {each.table for each in box.holds if each.address == spec.source.address}
        return box.both_tables or both == tables
    if mistake == "sign":
        # A count of phases never gets to where there would be a sign, nor does a code.
        unsure = any(each.kind in (Kind.N16, Kind.N32) for each in held)
        return unsure or not any(each.kind.extreme is not None for each in held) or _coded(spec)
    if mistake == "word order":
        # Whether it is 0 does not depend on it.
        only_zero = spec.transform.default is not None and set(spec.transform.map) == {0}
        return only_zero or any(each.kind is Kind.N32 for each in held)
    if mistake == "byte order" and spec.source.count == 1:
        # A letter that may be in either byte.
        return any(each.kind is Kind.U16 for each in held)
    if mistake == "count - 1":
        # Texts that are shorter than what they may take.
        return not any(
            isinstance(each.raw, str) and _fills(each.raw, each.kind, each.count) for each in held
        )
    return False


def to_order(box: Box, spec: OrderSpec, mistake: str) -> bool:
    """Return whether this mistake makes no difference."""
    if mistake.startswith("function"):
        number = int(mistake.rpartition(" ")[2])
        amount = (box.values.get(spec.order.value) or (10.0,))[0]
        told = box.orders[spec.order.value](amount)
        return len(told) > number and len(told[number].functions) > 1
    return mistake.startswith("step") and not box.second


def _coded(spec: ReadingSpec) -> bool:
    transform = spec.transform
    if spec.role is Role.PHASES:
        return True
    return bool(transform.map) or transform.bit is not None or transform.mask is not None


def _fills(raw: str, kind: Kind, count: int) -> bool:
    return len(raw) == {Kind.UTF16: count, Kind.HEX: 4 * count}.get(kind, 2 * count)
