"""The components and variables of a station (OCPP 2.0.1 part 2, appendices, chapters 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .config import Config201
from .metering import MEASURANDS
from .variables import Mutability, Place, Variable, Variables, split

type Live = Mapping[str, Callable[[], str]]
"""What is measured or counted rather than set, by `Component.Variable`."""

TX_POINTS = ("EVConnected", "Authorized", "DataSigned", "PowerPathClosed", "EnergyTransfer")
_ITEMS = 50
_MEASURANDS = tuple(sorted(MEASURANDS))
_REGISTER = "Energy.Active.Import.Register"


def make_variables(config: Config201, live: Live) -> Variables:
    """Return the device model of a station; ValueError for a bad change in the configuration."""
    changes = {
        "TxCtrlr.TxStartPoint": config.tx_start_point,
        "TxCtrlr.TxStopPoint": config.tx_stop_point,
        **config.variables,
    }
    return Variables(_all(config, live), changes)


def _all(config: Config201, live: Live) -> Iterator[Variable]:
    yield from _communication(config)
    yield from _security(config, live)
    yield from _authorisation(config, live)
    yield from _transactions()
    yield from _metering()
    if config.smart_charging:
        yield from _smart_charging(config, live)
    if config.reservations:
        yield _flag("ReservationCtrlr", "Available", "true", readonly=True)
        yield _flag("ReservationCtrlr", "Enabled", "true")
        yield _flag("ReservationCtrlr", "NonEvseSpecific", "true", readonly=True)
    yield from _monitoring(live)
    yield from _display(live)
    yield from _hardware(config, live)


def _communication(config: Config201) -> Iterator[Variable]:
    ctrlr = "OCPPCommCtrlr"
    yield _number(ctrlr, "HeartbeatInterval", "300", unit="s", least=1)
    yield _number(ctrlr, "MessageAttempts", "3", instance="TransactionEvent", least=1)
    yield _number(ctrlr, "MessageAttemptInterval", "5", instance="TransactionEvent", unit="s")
    yield _number(
        ctrlr,
        "MessageTimeout",
        str(max(1, round(config.call_timeout_s))),
        instance="Default",
        unit="s",
        readonly=True,
    )
    yield _number(ctrlr, "NetworkProfileConnectionAttempts", "3", least=1)
    yield _number(ctrlr, "ActiveNetworkProfile", "0", readonly=True)
    yield _list(ctrlr, "NetworkConfigurationPriority", "0", reboot=True)
    yield _list(ctrlr, "FileTransferProtocols", "HTTP,HTTPS", readonly=True)
    yield _number(ctrlr, "OfflineThreshold", "60", unit="s")
    yield _flag(ctrlr, "QueueAllMessages", "false", readonly=True)
    yield _number(ctrlr, "ResetRetries", "1")
    yield _number(ctrlr, "RetryBackOffRandomRange", "1", unit="s")
    yield _number(ctrlr, "RetryBackOffRepeatTimes", "5")
    yield _number(ctrlr, "RetryBackOffWaitMinimum", "1", unit="s")
    yield _flag(ctrlr, "UnlockOnEVSideDisconnect", "true")
    yield _number(ctrlr, "WebSocketPingInterval", "0", unit="s", reboot=True)
    for message in ("GetReport", "GetVariables", "SetVariables"):
        yield _number("DeviceDataCtrlr", "ItemsPerMessage", str(_ITEMS), message, readonly=True)
        yield _number("DeviceDataCtrlr", "BytesPerMessage", "65000", message, readonly=True)
    yield _number("DeviceDataCtrlr", "ConfigurationValueSize", "1000", readonly=True)
    yield _number("DeviceDataCtrlr", "ReportingValueSize", "2500", readonly=True)


def _security(config: Config201, live: Live) -> Iterator[Variable]:
    ctrlr = "SecurityCtrlr"
    longest = 64 if "2.1" in config.offered else 40
    yield Variable(
        Place(ctrlr, None, None, None),
        "BasicAuthPassword",
        "",
        "WriteOnly",
        most=longest,
        check=lambda value: 16 <= len(value) <= longest,
    )
    yield _text(ctrlr, "Identity", config.identity, readonly=True)
    yield _text(ctrlr, "OrganizationName", "Forecourt")
    yield _number(ctrlr, "CertificateEntries", live["CertificateEntries"], readonly=True)
    yield _number(ctrlr, "SecurityProfile", live["SecurityProfile"], readonly=True)
    yield _flag(ctrlr, "AdditionalRootCertificateCheck", "false", readonly=True)
    yield _number(ctrlr, "MaxCertificateChainSize", "10000", readonly=True)
    yield _number(ctrlr, "CertSigningWaitMinimum", "60", unit="s")
    yield _number(ctrlr, "CertSigningRepeatTimes", "2")
    yield Variable(
        Place("ClockCtrlr", None, None, None),
        "DateTime",
        live["DateTime"],
        "ReadOnly",
        "dateTime",
    )
    yield _list("ClockCtrlr", "TimeSource", "Heartbeat", choices=("Heartbeat", "NTP"))


def _authorisation(config: Config201, live: Live) -> Iterator[Variable]:
    yield _flag("AuthCtrlr", "Enabled", str(config.auth_enabled).lower())
    yield _flag("AuthCtrlr", "AuthorizeRemoteStart", "false")
    yield _flag("AuthCtrlr", "LocalAuthorizeOffline", "true")
    yield _flag("AuthCtrlr", "LocalPreAuthorize", "false")
    yield _flag("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false")
    yield _text("AuthCtrlr", "MasterPassGroupId", "")
    yield _flag("AuthCacheCtrlr", "Available", "true", readonly=True)
    yield _flag("AuthCacheCtrlr", "Enabled", "true")
    yield _number("AuthCacheCtrlr", "LifeTime", "0", unit="s")
    if config.local_list:
        ctrlr = "LocalAuthListCtrlr"
        yield _flag(ctrlr, "Available", "true", readonly=True)
        yield _flag(ctrlr, "Enabled", "true")
        yield _number(ctrlr, "Entries", live["LocalListEntries"], readonly=True)
        yield _number(ctrlr, "ItemsPerMessage", str(_ITEMS), readonly=True)
        yield _number(ctrlr, "BytesPerMessage", "65000", readonly=True)


def _transactions() -> Iterator[Variable]:
    yield _number("TxCtrlr", "EVConnectionTimeOut", "60", unit="s")
    yield _flag("TxCtrlr", "StopTxOnEVSideDisconnect", "true")
    yield _flag("TxCtrlr", "StopTxOnInvalidId", "true")
    yield _flag("TxCtrlr", "TxBeforeAcceptedEnabled", "true")
    yield _list("TxCtrlr", "TxStartPoint", "PowerPathClosed", choices=TX_POINTS)
    yield _list("TxCtrlr", "TxStopPoint", "EVConnected,Authorized", choices=TX_POINTS)


def _metering() -> Iterator[Variable]:
    ctrlr = "SampledDataCtrlr"
    yield _flag(ctrlr, "Available", "true", readonly=True)
    yield _flag(ctrlr, "Enabled", "true")
    yield _list(ctrlr, "TxStartedMeasurands", _REGISTER, choices=_MEASURANDS)
    yield _list(
        ctrlr,
        "TxUpdatedMeasurands",
        f"{_REGISTER},Power.Active.Import,Current.Import,Voltage",
        choices=_MEASURANDS,
    )
    yield _number(ctrlr, "TxUpdatedInterval", "60", unit="s")
    yield _list(ctrlr, "TxEndedMeasurands", _REGISTER, choices=_MEASURANDS)
    yield _number(ctrlr, "TxEndedInterval", "0", unit="s")
    ctrlr = "AlignedDataCtrlr"
    yield _flag(ctrlr, "Available", "true", readonly=True)
    yield _flag(ctrlr, "Enabled", "true")
    yield _list(ctrlr, "Measurands", _REGISTER, choices=_MEASURANDS)
    yield _number(ctrlr, "Interval", "0", unit="s")
    yield _flag(ctrlr, "SendDuringIdle", "false")
    yield _list(ctrlr, "TxEndedMeasurands", "", choices=_MEASURANDS)
    yield _number(ctrlr, "TxEndedInterval", "0", unit="s")


def _smart_charging(config: Config201, live: Live) -> Iterator[Variable]:
    ctrlr = "SmartChargingCtrlr"
    yield _flag(ctrlr, "Available", "true", readonly=True)
    yield _flag(ctrlr, "Enabled", "true")
    switching = str(config.phase_switching).lower()
    yield _flag(ctrlr, "ACPhaseSwitchingSupported", switching, readonly=True)
    yield _flag(ctrlr, "Phases3to1", switching, readonly=True)
    yield _number(
        ctrlr, "Entries", live["ProfileEntries"], instance="ChargingProfiles", readonly=True
    )
    yield _number(ctrlr, "PeriodsPerSchedule", "24", readonly=True)
    yield _number(ctrlr, "ProfileStackLevel", "8", readonly=True)
    yield _list(ctrlr, "RateUnit", ",".join(config.rate_units), readonly=True, choices=("A", "W"))
    yield _number(ctrlr, "LimitChangeSignificance", "5")
    yield _flag(ctrlr, "NotifyChargingLimitWithSchedules", "false")


def _monitoring(live: Live) -> Iterator[Variable]:
    ctrlr = "MonitoringCtrlr"
    yield _flag(ctrlr, "Available", "true", readonly=True)
    yield _flag(ctrlr, "Enabled", "true")
    yield _number(ctrlr, "ItemsPerMessage", str(_ITEMS), "SetVariableMonitoring", readonly=True)
    yield _number(ctrlr, "BytesPerMessage", "65000", "SetVariableMonitoring", readonly=True)
    yield _text(ctrlr, "ActiveMonitoringBase", live["MonitoringBase"], readonly=True)
    yield _number(ctrlr, "ActiveMonitoringLevel", live["MonitoringLevel"], readonly=True)


def _display(live: Live) -> Iterator[Variable]:
    ctrlr = "DisplayMessageCtrlr"
    yield _flag(ctrlr, "Available", "true", readonly=True)
    yield _number(ctrlr, "DisplayMessages", live["DisplayMessages"], readonly=True)
    yield _list(ctrlr, "SupportedFormats", "ASCII,UTF8", readonly=True)
    yield _list(ctrlr, "SupportedPriorities", "AlwaysFront,InFront,NormalCycle", readonly=True)
    yield _flag("TariffCostCtrlr", "Available", "true", "Cost", readonly=True)
    yield _flag("TariffCostCtrlr", "Enabled", "true", "Cost")
    yield _text("TariffCostCtrlr", "Currency", "EUR")


def _hardware(config: Config201, live: Live) -> Iterator[Variable]:
    station = Place("ChargingStation", None, None, None)
    states = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")

    def availability(place: Place, name: str) -> Variable:
        return Variable(
            place,
            "AvailabilityState",
            live[name],
            "ReadOnly",
            "OptionList",
            choices=states,
            monitored=True,
        )

    yield availability(station, "AvailabilityState")
    for name, value in (
        ("VendorName", config.vendor),
        ("Model", config.model),
        ("SerialNumber", config.serial or config.identity),
    ):
        yield Variable(station, name, value, "ReadOnly", constant=True)
    yield Variable(station, "FirmwareVersion", live["FirmwareVersion"], "ReadOnly")
    yield _at(station, "SupplyPhases", str(config.phases), "integer")
    for number in range(1, config.evses + 1):
        evse = Place("EVSE", None, number, None)
        yield availability(evse, f"AvailabilityState:{number}")
        yield _at(evse, "SupplyPhases", str(config.phases), "integer")
        yield Variable(evse, "AllowReset", "true", "ReadOnly", "boolean")
        yield Variable(
            evse,
            "Power",
            live[f"Power:{number}"],
            "ReadOnly",
            "decimal",
            unit="W",
            least=0,
            most=config.phases * config.voltage_v * config.max_current_a,
            monitored=True,
        )
        for connector in range(1, config.connectors + 1):
            outlet = Place("Connector", None, number, connector)
            yield availability(outlet, f"AvailabilityState:{number}:{connector}")
            yield _at(outlet, "ConnectorType", config.connector_type, "string")
            yield _at(outlet, "SupplyPhases", str(config.phases), "integer")
            yield Variable(
                outlet,
                "Problem",
                live[f"Problem:{number}:{connector}"],
                "ReadOnly",
                "boolean",
                monitored=True,
            )


def _at(place: Place, name: str, value: str, data_type: str) -> Variable:
    return Variable(place, name, value, "ReadOnly", data_type, constant=True)


def _of(
    component: str,
    name: str,
    value: str | Callable[[], str],
    instance: str | None,
    *,
    readonly: bool,
    **more: Any,
) -> Variable:
    mutability: Mutability = "ReadOnly" if readonly else "ReadWrite"
    place = Place(component, None, None, None)
    return Variable(place, name, value, mutability, instance=instance, **more)


def _flag(
    component: str, name: str, value: str, instance: str | None = None, *, readonly: bool = False
) -> Variable:
    return _of(component, name, value, instance, readonly=readonly, data_type="boolean")


def _number(
    component: str,
    name: str,
    value: str | Callable[[], str],
    instance: str | None = None,
    *,
    least: float = 0,
    readonly: bool = False,
    **more: Any,
) -> Variable:
    more |= {"data_type": "integer", "least": least}
    return _of(component, name, value, instance, readonly=readonly, **more)


def _text(
    component: str, name: str, value: str | Callable[[], str], *, readonly: bool = False
) -> Variable:
    return _of(component, name, value, None, readonly=readonly)


def _list(
    component: str,
    name: str,
    value: str,
    *,
    choices: tuple[str, ...] = (),
    readonly: bool = False,
    reboot: bool = False,
) -> Variable:
    chosen = choices or (split(value) if readonly else ())
    return _of(
        component,
        name,
        value,
        None,
        readonly=readonly,
        data_type="MemberList",
        choices=chosen,
        reboot=reboot,
    )
