"""Run simulated stations: `python -m simulator --station SIM-1 --url ws://127.0.0.1:9000`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count
import json
import logging
import signal
import sys
from typing import Any

from .books import BooksFile
from .clock import Clock
from .connect import Tls
from .control import ControlServer, Station
from .modbus import FACES, ModbusConfig, ModbusStation
from .mqtt import MqttConfig, MqttStation
from .ocpp16 import Ocpp16Station, StationConfig
from .ocpp201 import Config201, Ocpp201Station


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m simulator", description=__doc__)
    add = parser.add_argument
    add("--station", action="append", required=True, metavar="ID", help="identity; may be repeated")
    add("--url", help="the server; stations connect to URL/ID")
    add(
        "--protocol",
        default="1.6",
        choices=("1.6", "2.0.1", "2.1", "modbus", "mqtt"),
        help="version of OCPP, or modbus, or mqtt",
    )
    add("--box", default="generic", choices=tuple(FACES), help="model of a box that speaks Modbus")
    add("--port", type=int, default=0, help="of the first box that speaks Modbus; 0: any free port")
    add(
        "--broker",
        default="127.0.0.1:1883",
        metavar="HOST:PORT",
        help="where boxes that speak MQTT connect to; --password is of the user with the identity",
    )
    add("--card", action="append", default=[], metavar="ID", help="that such a box has learned")
    add("--connectors", type=int, default=1, help="EVSEs, since OCPP 2.0.1")
    add("--phases", type=int, default=3, choices=(1, 3))
    add("--max-current", type=float, default=16.0, metavar="A", help="per phase and connector")
    add(
        "--feed-current",
        type=float,
        metavar="A",
        help="per phase, all connectors of a station together",
    )
    add("--rate-units", default="A,W", choices=("A", "W", "A,W"), help="units of charging profiles")
    add("--password", help="for Basic auth; the user is the identity")
    add("--ca", metavar="FILE", help="roots of the server's certificate (wss://)")
    add("--certificate", metavar="FILE", help="of the stations, for security profile 3")
    add("--key", metavar="FILE", help="that belongs to the certificate")
    add("--vendor", default=StationConfig("").vendor)
    add("--model", default=StationConfig("").model)
    add("--firmware", default=StationConfig("").firmware)
    add(
        "--register",
        type=int,
        default=StationConfig("").register_wh,
        metavar="WH",
        help="meters at start",
    )
    add("--autostart", metavar="TAG", help="charge without a card, as this tag")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a configuration key; Component.Variable since OCPP 2.0.1",
    )
    add("--speed", type=float, default=1.0, help="plant seconds per second")
    add("--control-port", type=int, default=0, help="0: any free port, which is printed")
    add("--books", metavar="FILE", help="append everything that happens as JSON lines")
    add("--seed", type=int, help="for what is random")
    add("--verbose", action="store_true")
    return parser.parse_args(arguments)


def boxes(options: argparse.Namespace) -> list[ModbusConfig]:
    """Return the boxes that speak Modbus that the command line asks for."""
    return [
        ModbusConfig(
            identity=identity,
            model=options.box,
            port=options.port and options.port + number,
            outlets=options.connectors,
            phases=options.phases,
            max_current_a=options.max_current,
            register_wh=options.register,
        )
        for number, identity in enumerate(options.station)
    ]


def mqtt_boxes(options: argparse.Namespace) -> list[MqttConfig]:
    """Return the boxes that speak MQTT that the command line asks for.

    ValueError for a broker without a port.
    """
    host, _, port = options.broker.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"--broker needs HOST:PORT, not {options.broker!r}")
    return [
        MqttConfig(
            identity=identity,
            host=host,
            port=int(port),
            username=identity if options.password else None,
            password=options.password,
            phases=options.phases,
            max_current_a=options.max_current,
            register_wh=options.register,
            cards=tuple(options.card),
        )
        for identity in options.station
    ]


def configs(options: argparse.Namespace) -> list[StationConfig] | list[Config201]:
    """Return the stations that the command line asks for.

    ValueError for a bad --set, OSError for a file that cannot be read.
    """
    if options.url is None:
        raise ValueError("--url is missing")
    for pair in options.set:
        if "=" not in pair:
            raise ValueError(f"--set needs KEY=VALUE, not {pair!r}")
    files = (options.ca, options.certificate, options.key)
    common: dict[str, Any] = {
        "vendor": options.vendor,
        "model": options.model,
        "firmware": options.firmware,
        "password": options.password,
        "phases": options.phases,
        "max_current_a": options.max_current,
        "feed_current_a": options.feed_current,
        "register_wh": options.register,
        "rate_units": tuple(options.rate_units.split(",")),
    }
    if any(files):
        ca, certificate, key = files
        common["tls"] = Tls.from_files(ca_file=ca, certificate_file=certificate, key_file=key)
    changes = dict(pair.split("=", 1) for pair in options.set)
    seeds = (None if options.seed is None else options.seed + number for number in count())
    named = list(zip(options.station, seeds, strict=False))
    if options.protocol == "1.6":
        common |= {"connectors": options.connectors, "settings": changes}
        common["autostart_tag"] = options.autostart
        return [StationConfig(identity, seed=seed, **common) for identity, seed in named]
    common |= {"version": options.protocol, "evses": options.connectors, "variables": changes}
    common["autostart_token"] = options.autostart
    return [Config201(identity, seed=seed, **common) for identity, seed in named]


async def run(options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Run until `stop`; prints a JSON line when all is up. OSError, ValueError if it cannot be."""
    clock = Clock(options.speed)
    async with AsyncExitStack() as stack:
        file = stack.enter_context(BooksFile(options.books)) if options.books else None
        stations: dict[str, Station] = {}
        if options.protocol == "modbus":
            for box in boxes(options):
                stations[box.identity] = ModbusStation(box, clock=clock, books_file=file)
        elif options.protocol == "mqtt":
            for one in mqtt_boxes(options):
                stations[one.identity] = MqttStation(one, clock=clock, books_file=file)
        else:
            for config in configs(options):
                stations[config.identity] = (
                    Ocpp16Station(config, options.url, clock=clock, books_file=file)
                    if isinstance(config, StationConfig)
                    else Ocpp201Station(config, options.url, clock=clock, books_file=file)
                )
        control = ControlServer(stations, clock, port=options.control_port)
        await stack.enter_async_context(control)
        for station in stations.values():
            await stack.enter_async_context(station)
        ready: dict[str, Any] = {
            "event": "ready",
            "control_port": control.port,
            "stations": list(stations),
        }
        ports = {
            name: station.port
            for name, station in stations.items()
            if isinstance(station, ModbusStation)
        }
        if ports:
            ready["ports"] = ports
        print(json.dumps(ready), flush=True)
        await stop.wait()


async def _run_until_signal(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(options, stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT and return the exit code."""
    options = parse(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING)
    try:
        asyncio.run(_run_until_signal(options))
    except (OSError, RuntimeError, ValueError) as err:
        print(f"simulator: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
