"""The hand at the simulated station of the demo that runs: script/demo tap, plug and so on."""

import argparse
import json
import sys
from textwrap import indent
from typing import Any
from urllib.error import URLError

from simulator.client import ControlClient, ControlError

from .place import running

TAPPED = {
    "started": "The station took the card: a charge begins.",
    "stopped": "The station took the card: the charge ends.",
    "shown": "The station tells which card it was.",
    "waiting": "The station took the card and waits for the plug: script/demo plug",
    "cancelled": "The station waits no longer.",
    "refused": "The station refused the card. (A card that is being enrolled is refused too.)",
    "busy": "Somebody else is charging.",
    "ignored": "The station did not react: it has no power or is out of service.",
}


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what the hand can do to the command line."""
    tap = commands.add_parser("tap", help="hold a card to the reader")
    tap.add_argument("card", metavar="CARD", help="its number, for example 04A1B2C3")
    plug = commands.add_parser("plug", help="plug a car in")
    plug.add_argument("car", nargs="?", default="family", help="script/demo plug ? lists them")
    plug.add_argument("--soc", type=int, default=30, metavar="PERCENT", help="its battery (30)")
    commands.add_parser("unplug", help="pull the plug")
    fault = commands.add_parser("fault", help="let something go wrong")
    fault.add_argument("name", nargs="?", metavar="NAME", help="without one: lists them")
    fault.add_argument("parameters", nargs="*", metavar="KEY=VALUE")
    commands.add_parser("state", help="say how the station is")


def run(options: argparse.Namespace) -> int:
    """Do one thing and return the exit code."""
    facts = running()
    if facts is None:
        print("No demo is running. Start one in another terminal: script/demo", file=sys.stderr)
        return 1
    ports: dict[str, int] = facts["stations"]
    at = options.at or facts["station"]
    if at not in ports:
        print(f"There is no {at}, but {', '.join(ports)}.", file=sys.stderr)
        return 1
    try:
        print(_do(ControlClient(ports[at]), options))
        if options.command == "state" and not options.at:
            for name, port in ports.items():
                if name != at:
                    print(_described(ControlClient(port)))
    except ControlError as error:
        print(f"script/demo: {error}", file=sys.stderr)
        return 1
    except URLError, OSError:
        print("The simulated station of the demo does not answer.", file=sys.stderr)
        return 1
    return 0


def _do(control: ControlClient, options: argparse.Namespace) -> str:
    match options.command:
        case "tap":
            return TAPPED[control.tap(options.card)]
        case "plug" if options.car == "?":
            return "\n".join(control.cars())
        case "plug":
            control.plug(options.car, soc=options.soc / 100)
        case "unplug":
            control.unplug()
        case "fault" if options.name is None:
            return "\n".join(
                f"{name:16} {fault['does']}" for name, fault in control.faults().items()
            )
        case "fault":
            control.fault(options.name, **parameters(options.parameters))
    return _described(control)


def _described(control: ControlClient) -> str:
    return "\n".join(describe(state) for state in control.state().values())


def _fault(name: str, fault: dict[str, Any]) -> str:
    """Return how to call a fault, and what it does."""
    usage = " ".join([name, *(f"{key}={kind}" for key, kind in fault["parameters"].items())])
    return f"{usage}\n{indent(fault['does'], '    ')}"


def parameters(pairs: list[str]) -> dict[str, Any]:
    """Read KEY=VALUE, where a value is JSON if it can be."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ControlError(f"{pair} is not KEY=VALUE")
        try:
            found[key] = json.loads(text)
        except json.JSONDecodeError:
            found[key] = text
    return found


def describe(state: dict[str, Any]) -> str:
    """Say in a line how a station is."""
    # A box by Modbus dials nobody; it has clients.
    online = state["online"] if "online" in state else bool(state["clients"])
    why = state.get("last_error") or "offline"
    link = "connected" if online else f"not connected ({why})"
    parts = [f"{state['station']}: {link}"]
    for outlet in state["connectors"]:
        # A station without OCPP has the state of its control pilot instead of a status.
        parts.append(outlet.get("charging_state") or outlet.get("status") or outlet["state"])
        if outlet["car"]:
            # Only a station with OCPP knows how full the car is.
            soc = f" at {outlet['soc']:.0%}" if "soc" in outlet else ""
            parts.append(f"{outlet['car']}{soc}")
            parts.append(f"{outlet['power_w'] / 1000:.1f} kW")
            parts.append(f"{outlet['delivered_wh'] / 1000:.2f} kWh since plugged in")
    return ", ".join(parts)
