"""Attack the central system, and tell what broke.

Run `script/fuzz ocpp`. A site with its ledger and its port runs in this process. One simulated
station charges all the time, as the specification says; dozens of others, and strangers without
number, send it what nobody should. Every call that can be read must have one answer, or the
connection a reasoned end; nothing may be logged as an error; the good station must be served, and
booked to the watt-hour; and memory must not grow once all that has a bound has reached it, which
shows after some three minutes. What fails is printed with what repeats the attack.
"""

import argparse
import asyncio
import json
import logging
import sys

from .campaign import campaign


def main() -> int:
    """Attack, and return 1 if anything broke."""
    parser = argparse.ArgumentParser("script/fuzz ocpp", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    parser.add_argument("--seed", type=int, default=1, help="for another chance (1)")
    parser.add_argument("--only", type=int, help="one attack by its number")
    options = parser.parse_args()
    # What it says about the attackers is not news.
    logging.basicConfig(level=logging.CRITICAL)
    seconds = 5.0 if options.only is not None else 60 * options.minutes
    report = asyncio.run(campaign(options.seed, seconds, only=options.only))
    for failure in report.failures:
        print(failure)
    steps = report.memory[:: max(1, len(report.memory) // 10)]
    results = {
        "seed": options.seed,
        "attacks": report.attacks,
        "frames": report.frames,
        "charges": report.charges,
        "memory_mb": [round(one.megabytes) for one in steps],
        "objects": [one.objects for one in steps],
        "blocks": [one.blocks for one in steps],
        "failures": len(report.failures),
    }
    print(json.dumps(results))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
