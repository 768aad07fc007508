"""From the dataclasses of the model to rows, and back.

A column bears the name of the field it holds, except that an `EvseId` takes two
columns and the currents of the phases take three.
"""

from dataclasses import fields
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from ..core.model.ids import EvseId
from ..core.model.reading import Reading
from ..core.model.session import Session, Transaction
from .records import Orphan, SeenToken

type Values = dict[str, Any]

_NAMES = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (Session, Transaction, SeenToken, Orphan, Reading)
}

PHASES = ("current_l1_a", "current_l2_a", "current_l3_a")


def evse_values(evse: EvseId) -> Values:
    return {"station_id": evse.station_id, "evse": evse.number}


def to_values(record: Session | Transaction | SeenToken | Orphan | Reading) -> Values:
    values = {name: getattr(record, name) for name in _NAMES[type(record)]}
    if "evse" in values:
        values |= evse_values(values["evse"])
    return values


def to_record[R: (Session, Transaction)](kind: type[R], row: RowMapping | Values) -> R:
    """Restore what belongs to one EVSE."""
    values: Values = dict(row)
    return kind(evse=EvseId(values.pop("station_id"), values.pop("evse")), **values)


def reading_values(
    reading: Reading, evse: EvseId, transaction_id: int | None, price_per_kwh: Decimal | None
) -> Values:
    """Make a row of a reading; three unmeasured phases are stored like no measurement."""
    values = to_values(reading)
    values |= zip(PHASES, values.pop("current_a") or (None, None, None), strict=True)
    values |= evse_values(evse)
    values["transaction_id"] = transaction_id
    values["price_per_kwh"] = price_per_kwh
    return values


def to_reading(row: RowMapping) -> Reading:
    phases = row["current_l1_a"], row["current_l2_a"], row["current_l3_a"]
    return Reading(
        at=row["at"],
        context=row["context"],
        register_wh=row["register_wh"],
        power_w=row["power_w"],
        current_a=None if phases == (None, None, None) else phases,
        voltage_v=row["voltage_v"],
        soc_percent=row["soc_percent"],
        clock_estimated=row["clock_estimated"],
    )
