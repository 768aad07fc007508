"""What an outlet does and delivers: the values that its sensors show."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTime,
)

from .coordinator import EvseView, applied, power_w
from .core.model.evse import EvseState, EvseStatus
from .core.model.setpoint import LimitReason

NO_ERROR = "no_error"
MINUTE = timedelta(minutes=1)

type Value = str | int | float | Decimal | None


def _duration_s(view: EvseView) -> float | None:
    """Return how long the session charges, up to its last reading: no clock ticks here.

    While it goes on these are whole minutes: nobody wants a line in a database for each second.
    """
    session, reading = view.last_session, view.state.reading
    if session is None:
        return None
    if session.ended_at is not None:
        return round((session.ended_at - session.started_at).total_seconds())
    until = session.started_at if reading is None else max(reading.at, session.started_at)
    return (until - session.started_at) // MINUTE * 60


def _error(state: EvseState) -> str | None:
    if state.error is None:
        return None if state.status is None else NO_ERROR
    return state.error


@dataclass(frozen=True, kw_only=True)
class EvseSensorDescription(SensorEntityDescription):
    """A sensor of an EVSE; a live one tells nothing while the station is offline.

    The value of one that is of a session starts again with each session; one that counts
    only grows while a charge runs.
    """

    value: Callable[[EvseView], Value]
    live: bool = False
    of_session: bool = False
    counts: bool = False


EVSE_SENSORS = (
    EvseSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.value for status in EvseStatus],
        value=lambda view: view.state.status,
        live=True,
    ),
    EvseSensorDescription(
        key="charging_power",
        translation_key="charging_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: power_w(view.state),
        live=True,
    ),
    EvseSensorDescription(
        key="energy_register",
        translation_key="energy_register",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        value=lambda view: view.state.register_wh,
        counts=True,
    ),
    EvseSensorDescription(
        key="session_energy",
        translation_key="session_energy",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        value=lambda view: view.last_session.energy_wh if view.last_session else None,
        of_session=True,
        counts=True,
    ),
    EvseSensorDescription(
        key="session_duration",
        translation_key="session_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        value=_duration_s,
    ),
    EvseSensorDescription(
        key="session_cost",
        translation_key="session_cost",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value=lambda view: view.last_session.cost if view.last_session else None,
        of_session=True,
        counts=True,
    ),
    EvseSensorDescription(
        key="current",
        translation_key="current",
        device_class=SensorDeviceClass.CURRENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value=lambda view: reading.max_current_a if (reading := view.state.reading) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="voltage",
        translation_key="voltage",
        device_class=SensorDeviceClass.VOLTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: reading.voltage_v if (reading := view.state.reading) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="state_of_charge",
        translation_key="state_of_charge",
        device_class=SensorDeviceClass.BATTERY,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: reading.soc_percent if (reading := view.state.reading) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="error",
        translation_key="error",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda view: _error(view.state),
        live=True,
    ),
    EvseSensorDescription(
        key="applied_limit",
        translation_key="applied_limit",
        device_class=SensorDeviceClass.CURRENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda view: point.current_a if (point := applied(view.state)) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="limit_reason",
        translation_key="limit_reason",
        device_class=SensorDeviceClass.ENUM,
        options=[reason.value for reason in LimitReason],
        value=lambda view: point.reason if (point := applied(view.state)) else None,
        live=True,
    ),
)
