"""Write docs/stations.md, the table of wallboxes, from their profiles.

Run it as `python -m script.stations_table` after a change of a profile.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from .profile_schema import ROOT, mount

if TYPE_CHECKING:
    from custom_components.forecourt.stations.declarative.profile import Profile

TABLE = ROOT / "docs/stations.md"

_HEAD = """# Wallboxes without OCPP

<!-- Written by `python -m script.stations_table` from the profiles; do not edit. -->

Any station that speaks OCPP works without a profile. The others below are described by one each,
in `custom_components/forecourt/stations/profiles`; [how to write one](profiles.md).

**How sure** it is: *hardware*: tried on a real box. *vendor*: by the vendor's own manual. *read*:
put together from what is published by others. *experimental*: parts of it are not known for sure.
But for *hardware*, Forecourt only reads a box until a control test has shown that it obeys.

"""
_TRANSPORTS = {
    "tcp": "Modbus TCP",
    "rtu_over_tcp": "Modbus RTU over TCP",
    "udp": "Modbus UDP",
    "serial": "Modbus RTU",
}


def _transport(profile: Profile) -> str:
    if profile.protocol == "entities":
        return f"Home Assistant: {profile.integration or 'any'}"
    if profile.protocol == "mqtt":
        own = getattr(profile.transport, "own_broker", False)
        return "MQTT (its own broker)" if own else "MQTT"
    return ", ".join(_TRANSPORTS[kind] for kind in getattr(profile.transport, "kinds", ()))


def _capabilities(profile: Profile) -> str:
    told, can = {str(role) for role in profile.readings}, {str(order) for order in profile.orders}
    limited = can & {"limit_a", "limit_w"}
    zero = any(spec.zero_pauses for spec in profile.orders.values())
    capabilities = {
        "limit": bool(limited),
        "pause": "pause" in can or zero,
        "phases": "phases" in can,
        "unlock": "unlock" in can,
        "power": bool(told & {"power_w", "power_w_1"}),
        "energy": "energy_wh" in told or "energy_wh_1" in told,
        "energy of the charge": "session_energy_wh" in told and "energy_wh" not in told,
        "cards": "token" in told,
        "car's battery": "soc_percent" in told,
        "watchdog": profile.watchdog is not None,
    }
    return ", ".join(name for name, has in capabilities.items() if has) or "status"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def text() -> str:
    """Return the table as its file holds it. Raises where a profile is wrong."""
    from custom_components.forecourt.stations.declarative.library import (  # noqa: PLC0415
        Library,
    )

    library = Library()
    for problem in library.problems().values():
        raise problem
    profiles = library.all()
    lines = [
        "| Vendor | Models | By | Can | How sure | From | Profile |",
        "|---|---|---|---|---|---|---|",
    ]
    for choice in library.choices():
        profile = profiles[choice.id]
        cells = (
            profile.vendor,
            ", ".join(profile.models),
            _transport(profile),
            _capabilities(profile),
            profile.confidence,
            "; ".join(profile.sources),
            f"`{profile.id}`",
        )
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return f"{_HEAD}{len(profiles)} profiles.\n\n" + "\n".join(lines) + "\n"


def write(path: Path = TABLE) -> None:
    """Write the table."""
    path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    mount()
    write()
