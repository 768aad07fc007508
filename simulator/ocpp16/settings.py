"""Configuration keys of OCPP 1.6 §9, as Get- and ChangeConfiguration see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .config import StationConfig
from .metering import MEASURANDS

type ChangeStatus = Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]


@dataclass(slots=True)
class _Key:
    value: str
    check: Callable[[str], bool]
    readonly: bool = False
    reboot: bool = False
    hidden: bool = False


class Settings:
    """The keys of one station. They survive a reboot."""

    def __init__(self, config: StationConfig) -> None:
        """Set the defaults, then what `config` says; ValueError for a bad key or value."""
        self._keys = _defaults(config)
        for name, value in config.settings.items():
            key = self._keys.get(name)
            if key is None or not key.check(value):
                raise ValueError(f"configuration key {name} cannot be {value!r}")
            key.value = value

    def text(self, name: str) -> str:
        """Return a value as it is."""
        return self._keys[name].value

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        return self._keys[name].value.lower() == "true"

    def number(self, name: str) -> int:
        """Return an integer."""
        return int(self._keys[name].value)

    def names(self, name: str) -> tuple[str, ...]:
        """Return a comma-separated list."""
        return tuple(part.strip() for part in self._keys[name].value.split(",") if part.strip())

    def set(self, name: str, value: str) -> None:
        """Set a key from inside, read-only or not."""
        self._keys[name].value = value

    def change(self, name: str, value: str) -> ChangeStatus:
        """Answer a ChangeConfiguration (§5.3)."""
        key = self._keys.get(name)
        if key is None:
            return "NotSupported"
        if key.readonly or not key.check(value):
            return "Rejected"
        key.value = value
        return "RebootRequired" if key.reboot else "Accepted"

    def report(self, wanted: list[str] | None) -> dict[str, Any]:
        """Answer a GetConfiguration (§5.8): all keys, or those wanted."""
        names = wanted or [name for name, key in self._keys.items() if not key.hidden]
        found = [name for name in names if name in self._keys]
        answer: dict[str, Any] = {"configurationKey": [self._entry(name) for name in found]}
        unknown = [name for name in names if name not in self._keys]
        if unknown:
            answer["unknownKey"] = unknown
        return answer

    def _entry(self, name: str) -> dict[str, Any]:
        key = self._keys[name]
        entry: dict[str, Any] = {"key": name, "readonly": key.readonly}
        if not key.hidden:
            entry["value"] = key.value
        return entry


def _boolean(value: str) -> bool:
    return value.lower() in ("true", "false")


def _at_least(least: int) -> Callable[[str], bool]:
    return lambda value: value.isascii() and value.isdecimal() and int(value) >= least


def _anything(value: str) -> bool:
    return True


def _measurands(value: str) -> bool:
    names = [part.strip() for part in value.split(",") if part.strip()]
    return all(name in MEASURANDS for name in names)


def _password(value: str) -> bool:
    return 16 <= len(value) <= 40


def _defaults(config: StationConfig) -> dict[str, _Key]:
    """Required keys, those of the supported profiles, and one of our own that needs a reboot."""
    profiles = ["Core", "RemoteTrigger"]
    keys = {
        "AllowOfflineTxForUnknownId": _Key("false", _boolean),
        "AuthorizationCacheEnabled": _Key("true", _boolean),
        "AuthorizationKey": _Key("", _password, hidden=True),
        "AuthorizeRemoteTxRequests": _Key("true", _boolean),
        "ClockAlignedDataInterval": _Key("0", _at_least(0)),
        "ConnectionTimeOut": _Key("60", _at_least(0)),
        "ConnectorPhaseRotation": _Key("0.RST", _anything, reboot=True),
        "GetConfigurationMaxKeys": _Key("50", _anything, readonly=True),
        "HeartbeatInterval": _Key("300", _at_least(0)),
        "LocalAuthorizeOffline": _Key("true", _boolean),
        "LocalPreAuthorize": _Key("false", _boolean),
        "MeterValuesAlignedData": _Key("Energy.Active.Import.Register", _measurands),
        "MeterValuesSampledData": _Key(
            "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage", _measurands
        ),
        "MeterValueSampleInterval": _Key("60", _at_least(0)),
        "MinimumStatusDuration": _Key("0", _at_least(0)),
        "NumberOfConnectors": _Key(str(config.connectors), _anything, readonly=True),
        "ResetRetries": _Key("1", _at_least(0)),
        "StopTransactionOnEVSideDisconnect": _Key("true", _boolean),
        "StopTransactionOnInvalidId": _Key("true", _boolean),
        "StopTxnAlignedData": _Key("", _measurands),
        "StopTxnSampledData": _Key("", _measurands),
        "TransactionMessageAttempts": _Key("3", _at_least(1)),
        "TransactionMessageRetryInterval": _Key("5", _at_least(0)),
        "UnlockConnectorOnEVSideDisconnect": _Key("true", _boolean),
        "WebSocketPingInterval": _Key("0", _at_least(0), reboot=True),
    }
    if config.local_list:
        profiles.append("LocalAuthListManagement")
        keys |= {
            "LocalAuthListEnabled": _Key("true", _boolean),
            "LocalAuthListMaxLength": _Key("200", _anything, readonly=True),
            "SendLocalListMaxLength": _Key("50", _anything, readonly=True),
        }
    if config.smart_charging:
        profiles.append("SmartCharging")
        units = ",".join({"A": "Current", "W": "Power"}[unit] for unit in config.rate_units)
        switching = "true" if config.phase_switching else "false"
        keys |= {
            "ChargeProfileMaxStackLevel": _Key("8", _anything, readonly=True),
            "ChargingScheduleAllowedChargingRateUnit": _Key(units, _anything, readonly=True),
            "ChargingScheduleMaxPeriods": _Key("24", _anything, readonly=True),
            "ConnectorSwitch3to1PhaseSupported": _Key(switching, _anything, readonly=True),
            "MaxChargingProfilesInstalled": _Key("16", _anything, readonly=True),
        }
    keys["SupportedFeatureProfiles"] = _Key(",".join(profiles), _anything, readonly=True)
    return dict(sorted(keys.items()))
