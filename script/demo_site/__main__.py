"""The command line of script/demo."""

import argparse
import asyncio
from collections.abc import Sequence
import os
import sys
import time

from . import demo, hand, smoke
from .broker import BrokerError
from .home import HomeError
from .wallbox import PROTOCOLS, WallboxError


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "script/demo",
        description="Try Forecourt without a wallbox: a real Home Assistant in a folder of its own "
        "and simulated stations. Runs until Ctrl-C; every run starts anew.",
        epilog="While it runs, in another terminal: script/demo tap CARD, plug, unplug, fault, "
        "state. Each of them has --help.",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--fresh", action="store_true", help="set nothing up: walk through it")
    mode.add_argument(
        "--smoke", action="store_true", help="do all of it, kill Home Assistant, compare the books"
    )
    parser.add_argument("--seed", type=int, default=1, help="for --smoke: what happens when (1)")
    parser.add_argument(
        "--speed", type=float, default=10.0, help="how much faster the car charges (10)"
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=PROTOCOLS[0],
        help=f"the OCPP that the station speaks ({PROTOCOLS[0]})",
    )
    parser.add_argument(
        "--at", metavar="STATION", help="for the commands below: at which station, by its identity"
    )
    parser.add_argument("--no-browser", action="store_true", help="open none")
    hand.add_commands(parser.add_subparsers(dest="command", metavar="COMMAND"))
    return parser.parse_args(arguments)


def main() -> int:
    """Do what the command line asks for and return the exit code."""
    options = parse()
    # script/bootstrap has had its turn before Python began.
    begun = float(os.environ.get("FORECOURT_DEMO_STARTED", "").replace(",", ".") or time.time())
    try:
        if options.command:
            return hand.run(options)
        if options.smoke:
            return asyncio.run(smoke.main(options.seed, options.protocol, begun))
        return asyncio.run(
            demo.main(
                fresh=options.fresh,
                speed=options.speed,
                protocol=options.protocol,
                browser=not options.no_browser,
            )
        )
    except (BrokerError, HomeError, WallboxError) as error:
        print(f"script/demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
