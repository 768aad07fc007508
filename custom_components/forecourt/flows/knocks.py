"""Who knocked, in words that say what to do."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from homeassistant.util import dt as dt_util

from ..core.model.station import StationInfo
from ..stations.ocpp import Knock
from .texts import Texts, quoted

SHOWN = 8
RECENT = timedelta(hours=12)


def knock_list(knocks: Iterable[Knock], port: int, texts: Texts, now: datetime) -> str:
    """Return the recent knocks as a Markdown list, newest first."""
    recent = [knock for knock in knocks if now - knock.at < RECENT]
    if not recent:
        return texts("no_knocks")
    newest = sorted(recent, key=lambda knock: knock.at, reverse=True)[:SHOWN]
    return "\n".join(f"- {_line(knock, port, texts)}" for knock in newest)


def _line(knock: Knock, port: int, texts: Texts) -> str:
    who = quoted(knock.address)
    if knock.identity:
        who = f"{quoted(knock.identity)} ({knock.address})"
    cause = texts(f"knock_{knock.cause}", detail=quoted(knock.detail), port=port)
    line = texts(
        "knock", time=dt_util.as_local(knock.at).strftime("%H:%M:%S"), who=who, cause=cause
    )
    return line if knock.count == 1 else f"{line} {texts('knock_times', count=knock.count)}"


def station_label(info: StationInfo) -> str:
    """Return how a station that has no name yet is called."""
    model = model_name(info)
    return f"{model} ({info.id})" if model else info.id


def model_name(info: StationInfo) -> str:
    """Return the maker and model, without saying the maker twice; empty if neither is known."""
    vendor, model = info.vendor or "", info.model or ""
    if vendor and model.casefold().startswith(vendor.casefold()):
        return model
    return f"{vendor} {model}".strip()


def station_facts(info: StationInfo) -> dict[str, str]:
    """Return what a station told about itself, for the text of a form."""
    return {
        "identity": quoted(info.id),
        "vendor": quoted(info.vendor) if info.vendor else "-",
        "model": quoted(info.model) if info.model else "-",
        "outlets": str(info.evses),
        "address": quoted(info.address) if info.address else "-",
    }
