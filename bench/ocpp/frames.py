"""What a station of OCPP 1.6 says, and how it answers, as far as a benchmark needs it."""

from datetime import UTC, datetime
import json
from typing import Any

type Payload = dict[str, Any]

VOLTS = 230
MAX_CURRENT_A = 16

BOOT: Payload = {
    "chargePointVendor": "Virtual",
    "chargePointModel": "Wallbox 11",
    "chargePointSerialNumber": "0001",
    "firmwareVersion": "1.0.0",
}

_CONFIGURATION = {
    "AllowOfflineTxForUnknownId": "false",
    "AuthorizationCacheEnabled": "false",
    "AuthorizeRemoteTxRequests": "false",
    "ChargingScheduleAllowedChargingRateUnit": "Current",
    "ClockAlignedDataInterval": "0",
    "HeartbeatInterval": "300",
    "LocalAuthorizeOffline": "true",
    "LocalPreAuthorize": "false",
    "MeterValueSampleInterval": "10",
    "MeterValuesSampledData": (
        "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"
    ),
    "NumberOfConnectors": "1",
    "StopTransactionOnEVSideDisconnect": "true",
    "StopTransactionOnInvalidId": "true",
    "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
    "UnlockConnectorOnEVSideDisconnect": "true",
}


def identity(number: int) -> str:
    """Return what a station calls itself; numbers begin with 1."""
    return f"BENCH-{number:04}"


def card(number: int) -> str:
    """Return the card that is used at a station."""
    return f"04BE9C{number:08X}"


def time_text(at: datetime) -> str:
    """Return a time to the microsecond: no two readings of a transaction may share one."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def call(message_id: str, action: str, payload: Payload) -> str:
    """Return a call as text."""
    return json.dumps([2, message_id, action, payload], separators=(",", ":"))


def status(word: str) -> Payload:
    """Return a StatusNotification of the only outlet."""
    return {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": word,
        "timestamp": time_text(now()),
    }


def start(number: int, register_wh: int) -> Payload:
    """Return a StartTransaction with the card of the station."""
    return {
        "connectorId": 1,
        "idTag": card(number),
        "meterStart": register_wh,
        "timestamp": time_text(now()),
    }


def stop(transaction_id: int, number: int, register_wh: int) -> Payload:
    """Return a StopTransaction."""
    return {
        "transactionId": transaction_id,
        "idTag": card(number),
        "meterStop": register_wh,
        "timestamp": time_text(now()),
        "reason": "Local",
    }


def meter_values(
    transaction_id: int, at: datetime, register_wh: int, current_a: float = MAX_CURRENT_A
) -> Payload:
    """Return MeterValues with nine values, as a three-phase station sends them."""
    power_w = round(3 * VOLTS * current_a)
    values = [
        _value("Energy.Active.Import.Register", register_wh, "Wh"),
        _value("Power.Active.Import", power_w, "W"),
        *(_value("Current.Import", current_a, "A", phase) for phase in ("L1", "L2", "L3")),
        *(_value("Voltage", VOLTS + 0.4, "V", phase) for phase in ("L1-N", "L2-N", "L3-N")),
        _value("SoC", 20 + register_wh // 1000 % 70, "Percent"),
    ]
    return {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": time_text(at), "sampledValue": values}],
    }


def answer(action: str, payload: Payload) -> Payload | None:
    """Return the answer to a call of the central system; `None` for one that is not known."""
    match action:
        case "GetConfiguration":
            asked = payload.get("key") or list(_CONFIGURATION)
            known = [
                {"key": key, "value": _CONFIGURATION[key], "readonly": False}
                for key in asked
                if key in _CONFIGURATION
            ]
            return {
                "configurationKey": known,
                "unknownKey": [key for key in asked if key not in _CONFIGURATION],
            }
        case "GetCompositeSchedule":
            return {"status": "Rejected"}
        case (
            "ChangeConfiguration"
            | "ClearCache"
            | "ClearChargingProfile"
            | "SetChargingProfile"
            | "TriggerMessage"
        ):
            return {"status": "Accepted"}
    return None


def answer_text(message: list[Any]) -> str:
    """Return the answer to a call of the central system as text."""
    _, message_id, action, payload = message
    found = answer(action, payload)
    reply = [4, message_id, "NotSupported", "", {}] if found is None else [3, message_id, found]
    return json.dumps(reply, separators=(",", ":"))


def ordered_a(payload: Payload) -> float:
    """Return the current of a SetChargingProfile."""
    schedule = payload["csChargingProfiles"]["chargingSchedule"]
    limit = float(schedule["chargingSchedulePeriod"][0]["limit"])
    return limit if schedule["chargingRateUnit"] == "A" else limit / (3 * VOLTS)


def _value(measurand: str, value: float, unit: str, phase: str | None = None) -> Payload:
    sampled = {
        "value": str(value),
        "context": "Sample.Periodic",
        "measurand": measurand,
        "unit": unit,
    }
    return sampled if phase is None else sampled | {"phase": phase}
