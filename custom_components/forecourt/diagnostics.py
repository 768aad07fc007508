"""What a bug report needs, without anything that is somebody's secret or says who somebody is."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from ipaddress import ip_address
import re
from typing import Any

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.loader import async_get_integration
from homeassistant.util import dt as dt_util

from .const import (
    CONF_DEFAULT_USER,
    CONF_GROUP,
    CONF_PERSON,
    CONF_TLS_AUTHORITIES,
    CONF_USER_ID,
    DOMAIN,
    SUBENTRY_USER,
)
from .core.model.evse import EvseState
from .core.model.session import Session
from .devices import evse_of, station_of
from .hub import ForecourtConfigEntry, Hub
from .ledger import LedgerError
from .stations.declarative.profile import Role
from .stations.declarative.station import DeclarativeStation
from .stations.ocpp import OcppStation
from .stations.ocpp.masking import masked

TO_REDACT = {
    CONF_DEFAULT_USER,
    CONF_GROUP,
    CONF_PERSON,
    CONF_TLS_AUTHORITIES,
    CONF_USER_ID,
}

SECRET_ROLES = (Role.SERIAL, Role.TOKEN)

RECENT_SESSIONS = 20

SERIAL_NUMBER = re.compile(r'("\w*serialNumber":)"(?:[^"\\]|\\.)*"?', re.IGNORECASE)


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: ForecourtConfigEntry
) -> dict[str, Any]:
    """Return what is known of the site."""
    hub = entry.runtime_data
    site = hub.site
    integration = await async_get_integration(hass, DOMAIN)
    return {
        "version": str(integration.version),
        "now": dt_util.utcnow(),
        "entry": {
            "data": async_redact_data(entry.data, TO_REDACT),
            "options": async_redact_data(entry.options, TO_REDACT),
            "subentries": [
                {
                    "type": subentry.subentry_type,
                    "title": REDACTED
                    if subentry.subentry_type == SUBENTRY_USER
                    else subentry.title,
                    "data": async_redact_data(subentry.data, TO_REDACT),
                }
                for subentry in entry.subentries.values()
            ],
        },
        "central": {
            "port": hub.central.port,
            "tls_port": hub.central.tls_port,
            "pending": sorted(hub.central.pending),
            "knocks": [
                {
                    "at": knock.at,
                    "address": _address(knock.address),
                    "identity": knock.identity,
                    "cause": knock.cause,
                    "detail": knock.detail,
                    "count": knock.count,
                }
                for knock in hub.central.knocks
            ],
        },
        "counts": {
            "users": len(site.members.users),
            "tokens": len(site.members.tokens),
            "tokens_blocked": sum(record.blocked for record in site.members.tokens.values()),
        },
        "ledger": await _ledger(hub),
        "stations": [await _station(hub, station) for station in hub.central.stations.values()],
        "declared": [
            _declared(hub, station)
            for station in hub.site.stations.values()
            if isinstance(station, DeclarativeStation)
        ],
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: ForecourtConfigEntry, device: dr.AnyDeviceEntry
) -> dict[str, Any]:
    """Return what is known of the station that the device is, or is a part of."""
    hub = entry.runtime_data
    evse = evse_of(device)
    station = hub.site.stations.get(evse.station_id if evse else station_of(device) or "")
    match station:
        case OcppStation():
            told = await _station(hub, station)
        case DeclarativeStation():
            told = _declared(hub, station)
        case _:
            return {}
    return {"station": told, "ledger": await _ledger(hub, station_id=station.info.id)}


async def _ledger(hub: Hub, station_id: str | None = None) -> dict[str, Any]:
    """Return what the ledger holds, or why it does not tell: that is when this is wanted."""
    try:
        users = await hub.ledger.users()
        orphans = await hub.ledger.orphans()
        recent = await hub.ledger.sessions(station_id=station_id, limit=RECENT_SESSIONS)
    except LedgerError as error:
        return {"error": str(error)}
    return {
        "users_ever": len(users),
        "orphaned_ends": len(orphans),
        "recent_sessions": _sessions(recent),
    }


async def _station(hub: Hub, station: OcppStation) -> dict[str, Any]:
    # Two hundred stations have forty thousand frames: let the others have a turn.
    await asyncio.sleep(0)
    info = station.info
    return {
        "id": info.id,
        "protocol": info.protocol,
        "vendor": info.vendor,
        "model": info.model,
        "serial": info.serial and REDACTED,
        "firmware": info.firmware,
        "address": info.address and _address(info.address),
        "online": station.online,
        "security_profile": hub.central.security_profile(info.id),
        "evses": [_evse(hub, state) for state in hub.site.board.of(info.id)],
        "learned": _learned(station),
        "lacks": sorted(capability.__name__ for capability in station.lacks),
        "quirks": [{"name": quirk.name, "source": quirk.source} for quirk in station.quirks],
        "settings": {name: _setting(name, value) for name, value in station.settings.items()},
        "limits_in_force": station.composite.found,
        "fault": station.fault,
        "notes": dict(station.notes),
        "forwarding": station.forwarder.state(),
        "counters": station.counters.as_dict(),
        "frames": [
            {**entry, "payload": _without_serial(entry["payload"], info.serial)}
            for entry in station.frames.entries()
        ],
    }


def _declared(hub: Hub, station: DeclarativeStation) -> dict[str, Any]:
    """Return what is known of a station that a profile describes."""
    info, profile = station.info, station.profile
    sample = station.sample
    told = [sample.station, *sample.outlets.values()] if sample else []
    return {
        "protocol": info.protocol,
        "vendor": info.vendor,
        "model": info.model,
        "firmware": info.firmware,
        "address": info.address and _address(info.address),
        "online": station.online,
        "profile": profile.id,
        "confidence": profile.confidence.value,
        "may_write": station.may_write,
        "evses": [_evse(hub, state) for state in hub.site.board.of(info.id)],
        "told": [
            {
                role.value: REDACTED if value and role in SECRET_ROLES else value
                for role, value in values.items()
            }
            for values in told
        ],
        "unknown": {role.value: raw for role, raw in sample.unknown.items()} if sample else {},
        "faults": {role.value: fault.value for role, fault in sample.faults.items()}
        if sample
        else {},
        "fault": station.fault and str(station.fault),
        "rival_at": station.rival_at and station.rival_at.isoformat(),
    }


def _learned(station: OcppStation) -> dict[str, Any]:
    learned = station.learned.as_dict()
    tries = [[name, _setting(name, value), count] for name, value, count in learned["tries"]]
    return {**learned, "tries": tries, "list_digest": learned["list_digest"] and REDACTED}


def _setting(name: str, value: str) -> str:
    """Return the value of a setting, masked if it is a secret."""
    shown: str = masked({"key": name, "value": value})["value"]
    return shown


def _without_serial(payload: str, serial: str | None) -> str:
    """Return a payload without the number by which its maker knows who bought the station."""
    payload = SERIAL_NUMBER.sub(rf'\1"{REDACTED}"', payload)
    return payload.replace(serial, REDACTED) if serial else payload


def _evse(hub: Hub, state: EvseState) -> dict[str, Any]:
    limits = hub.site.board.limits(state.evse)
    setpoint = state.setpoint
    refusal = hub.site.controller.refusals.get(state.evse)
    return {
        "number": state.evse.number,
        "online": state.online,
        "status": state.status,
        "refuses_limits": str(refusal) if refusal else None,
        "status_at": state.status_at,
        "plugged_at": state.plugged_at,
        "error": state.error,
        "reading": asdict(state.reading) if state.reading else None,
        "register_wh": state.register_wh,
        "allowed": state.allowed,
        "requested_current_a": state.requested_current_a,
        "max_current_a": limits.max_current_a,
        "fallback_current_a": limits.fallback_current_a,
        "setpoint": setpoint
        and {
            "current_a": setpoint.current_a,
            "reason": setpoint.reason,
            "valid_until": setpoint.valid_until,
        },
        "session": next(iter(_sessions([state.session])), None) if state.session else None,
    }


def _sessions(sessions: Iterable[Session]) -> list[dict[str, Any]]:
    return [
        {
            "id": session.id,
            "evse": str(session.evse),
            "status": session.status,
            "transaction_id": session.transaction_id,
            "plugged_at": session.plugged_at,
            "started_at": session.started_at,
            "ended_at": session.ended_at,
            "unplugged_at": session.unplugged_at,
            "energy_wh": session.energy_wh,
            "unpriced_wh": session.unpriced_wh,
            "has_user": session.user_id is not None,
            "has_cost": session.cost is not None,
            "flags": sorted(session.flags),
        }
        for session in sessions
    ]


def _address(address: str) -> str:
    """Return an address of a local network as it is: it says why a station does not get through."""
    try:
        return address if ip_address(address).is_private else REDACTED
    except ValueError:
        return REDACTED
