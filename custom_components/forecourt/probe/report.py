"""What a probe found, as lines to read and to send to others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import re

from ..stations.declarative.link import LinkFault
from ..stations.declarative.profile import Role, Scalar

SECRET = frozenset((Role.SERIAL, Role.TOKEN))
"""What names a box or a person."""

_SHOWN = 4
_UNITS = {"wh": "Wh", "w": "W", "a": "A", "v": "V", "s": "s", "percent": "%"}
_UNIT = re.compile(rf"_({'|'.join(_UNITS)})(_[123])?$")
_IDENTIFIER = re.compile(r"(?=\w*\d)\w{8,}")
_HEADINGS = ("role", "value", "unit", "raw", "where")

FAULTS = {
    LinkFault.REFUSED: "nobody listens there, or the connection broke",
    LinkFault.TIMEOUT: "no answer",
    LinkFault.WRONG_UNIT: "the unit id is another one",
    LinkFault.WRONG_MODEL: "it is another model",
    LinkFault.BUSY: "the box is busy, perhaps with another client",
    LinkFault.GARBLED: "what came is no answer to this",
    LinkFault.NOT_SUPPORTED: "this box has no such value",
    LinkFault.NOT_AUTHENTICATED: "the broker wants another user or password",
}
"""Why something could not be read, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One reading: what it means, what was told, and where; or why there is nothing."""

    role: Role
    outlet: int
    """From 1; 0 is the station."""
    where: str
    value: Scalar | None = None
    raw: str = ""
    problem: str | None = None
    optional: bool = False

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return self.role if self.outlet < 2 else f"{self.role} (outlet {self.outlet})"

    @property
    def failed(self) -> bool:
        """Whether something is missing that every such box should tell."""
        return self.problem is not None and not self.optional


def unit_of(role: Role) -> str:
    """Return the unit that the name of a role ends in."""
    found = _UNIT.search(role)
    return "" if found is None else _UNITS[found[1]]


def masked(text: str) -> str:
    """Return the last four characters of what names a box or a person."""
    return f"…{text[-_SHOWN:]}" if len(text) > _SHOWN else "…"


def mask_identifiers(text: str) -> str:
    """Return a text whose long words with digits show their last four characters only."""
    return _IDENTIFIER.sub(lambda found: masked(found[0]), text)


def spelled(value: Scalar | None) -> str:
    """Return a value as a person reads it."""
    match value:
        case None:
            return "(none)"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.10g}"
        case _:
            return str(value)


def table(rows: Sequence[Row], *, show: bool) -> Iterable[str]:
    """Return the lines of a table of what was read, then of what was not and why."""
    read = [row for row in rows if row.problem is None]
    cells = [_HEADINGS, *(_cells(row, show=show) for row in read)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS))]
    for number, row in enumerate(cells):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)
    missing = [row for row in rows if row.problem is not None]
    if missing:
        yield ""
        yield "Not read:"
    for gap in missing:
        optional = " (not every such box has it)" if gap.optional else ""
        yield f"  {gap.name}  {gap.where}: {_problem(gap, show=show)}{optional}"


def as_json(row: Row, *, show: bool) -> dict[str, Scalar | None]:
    """Return a row for programs."""
    _, value, unit, raw, where = _cells(row, show=show)
    hidden = row.role in SECRET and not show
    return {
        "role": row.role.value,
        "outlet": row.outlet,
        "value": value if hidden and row.value is not None else row.value,
        "unit": unit,
        "raw": raw,
        "where": where,
        "problem": _problem(row, show=show),
        "optional": row.optional,
    }


def _problem(row: Row, *, show: bool) -> str | None:
    if row.problem is None or show or row.role not in SECRET:
        return row.problem
    return mask_identifiers(row.problem)


def _cells(row: Row, *, show: bool) -> tuple[str, ...]:
    value, raw = spelled(row.value), row.raw
    if row.role in SECRET and not show:
        value = value if row.value in (None, "") else masked(value)
        raw = "…"
    return row.name, value, unit_of(row.role), raw, row.where
