"""Configuration keys of OCPP 1.6 §9, as Get- and ChangeConfiguration see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .config import FEATURE_PROFILES, StationConfig
from .metering import MEASURANDS

FILE_TRANSFER_PROTOCOLS = ("FTP", "FTPS", "HTTP", "HTTPS", "SFTP")
"""By which files are fetched and uploaded (SupportedFileTransferProtocols)."""

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
        unknown = set(config.feature_profiles) - set(FEATURE_PROFILES)
        if unknown:
            there = ", ".join(FEATURE_PROFILES)
            raise ValueError(f"no feature profile {', '.join(sorted(unknown))}; there is {there}")
        self._keys = _defaults(config)
        self._forgets = frozenset(config.forgets_settings)
        self._reboots = frozenset(config.reboots_on_change)
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
        if name in self._forgets:
            return "Accepted"
        key.value = value
        return "RebootRequired" if key.reboot or name in self._reboots else "Accepted"

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


def _measurands(most: int | None) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        names = [part.strip() for part in value.split(",") if part.strip()]
        return all(name in MEASURANDS for name in names) and (most is None or len(names) <= most)

    return check


def _password(value: str) -> bool:
    return 16 <= len(value) <= 40


def _security_profile(value: str) -> bool:
    return value in ("0", "1", "2", "3")


def _defaults(config: StationConfig) -> dict[str, _Key]:
    """Required keys, those of the supported profiles, and one of our own that needs a reboot."""
    measurands = _measurands(config.max_measurands)
    sampled = ["Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage"]
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
        "MeterValuesAlignedData": _Key(sampled[0], measurands),
        "MeterValuesSampledData": _Key(",".join(sampled[: config.max_measurands]), measurands),
        "MeterValueSampleInterval": _Key("60", _at_least(0)),
        "MinimumStatusDuration": _Key("0", _at_least(0)),
        "NumberOfConnectors": _Key(str(config.connectors), _anything, readonly=True),
        "ResetRetries": _Key("1", _at_least(0)),
        "StopTransactionOnEVSideDisconnect": _Key("true", _boolean),
        "StopTransactionOnInvalidId": _Key("true", _boolean),
        "StopTxnAlignedData": _Key("", measurands),
        "StopTxnSampledData": _Key("", measurands),
        "SupportedFeatureProfiles": _Key(
            ",".join(config.feature_profiles), _anything, readonly=True
        ),
        "TransactionMessageAttempts": _Key("3", _at_least(1)),
        "TransactionMessageRetryInterval": _Key("5", _at_least(0)),
        "UnlockConnectorOnEVSideDisconnect": _Key("true", _boolean),
        "WebSocketPingInterval": _Key("0", _at_least(0), reboot=True),
    }
    for profile in config.feature_profiles:
        keys |= _of_profile(profile, config)
    if config.security_extensions:
        keys |= {
            "CertificateSignedMaxChainSize": _Key("10000", _at_least(0), readonly=True),
            "CertificateStoreMaxLength": _Key("8", _at_least(0), readonly=True),
            "CpoName": _Key("", _anything),
            "SecurityProfile": _Key("0", _security_profile),
        }
    return dict(sorted(keys.items()))


def _of_profile(profile: str, config: StationConfig) -> dict[str, _Key]:
    """Return the keys that come with a feature profile."""
    if profile == "FirmwareManagement":
        protocols = ",".join(FILE_TRANSFER_PROTOCOLS)
        return {"SupportedFileTransferProtocols": _Key(protocols, _anything, readonly=True)}
    if profile == "LocalAuthListManagement":
        return {
            "LocalAuthListEnabled": _Key("true", _boolean),
            "LocalAuthListMaxLength": _Key("200", _at_least(0), readonly=True),
            "SendLocalListMaxLength": _Key("50", _at_least(0), readonly=True),
        }
    if profile == "Reservation":
        return {"ReserveConnectorZeroSupported": _Key("true", _boolean, readonly=True)}
    if profile == "SmartCharging":
        units = ",".join({"A": "Current", "W": "Power"}[unit] for unit in config.rate_units)
        switching = "true" if config.phase_switching else "false"
        return {
            "ChargeProfileMaxStackLevel": _Key("8", _anything, readonly=True),
            "ChargingScheduleAllowedChargingRateUnit": _Key(units, _anything, readonly=True),
            "ChargingScheduleMaxPeriods": _Key("24", _anything, readonly=True),
            "ConnectorSwitch3to1PhaseSupported": _Key(switching, _anything, readonly=True),
            "MaxChargingProfilesInstalled": _Key("16", _anything, readonly=True),
        }
    return {}
