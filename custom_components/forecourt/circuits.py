"""The circuits of the site, as its owner entered them."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigEntry

from .const import CONF_CIRCUIT_ID, CONF_LIMIT_A, CONF_PARENT, CONF_STATIONS, SUBENTRY_CIRCUIT
from .core.model.circuit import Circuit


def circuits_of(entry: ConfigEntry[Any]) -> tuple[Circuit, ...]:
    """Return the circuits; one whose feeder was deleted hangs on the main fuse."""
    found = tuple(entry.get_subentries_of_type(SUBENTRY_CIRCUIT))
    ids = {subentry.data[CONF_CIRCUIT_ID] for subentry in found}
    return tuple(
        Circuit(
            id=subentry.data[CONF_CIRCUIT_ID],
            name=subentry.title,
            limit_a=subentry.data[CONF_LIMIT_A],
            parent=parent if (parent := subentry.data[CONF_PARENT]) in ids else None,
        )
        for subentry in found
    )


def feeders_of(entry: ConfigEntry[Any]) -> dict[str, str]:
    """Return the id of the circuit that feeds each station; others hang on the main fuse."""
    return {
        station_id: subentry.data[CONF_CIRCUIT_ID]
        for subentry in entry.get_subentries_of_type(SUBENTRY_CIRCUIT)
        for station_id in subentry.data[CONF_STATIONS]
    }


def is_below(circuits: Mapping[str, Circuit], circuit_id: str | None, other: str) -> bool:
    """Return whether a circuit is fed by the other, or is that one."""
    for _ in range(len(circuits) + 1):
        if circuit_id is None or circuit_id == other:
            break
        circuit_id = circuits[circuit_id].parent if circuit_id in circuits else None
    return circuit_id == other
