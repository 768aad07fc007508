"""The command line of the probe."""

import argparse
import asyncio
from collections.abc import Sequence
from enum import IntEnum
import json
import logging
import os
from pathlib import Path
import sys
from typing import cast, get_args

from ..stations.declarative.library import Library
from ..stations.declarative.link import LinkError
from ..stations.declarative.load import load_profile
from ..stations.declarative.profile import MODBUS, MQTT, ModbusTransport, Profile, Space
from ..stations.declarative.tree import ProfileError
from ..stations.modbus.address import Kind, ModbusAddress
from ..stations.mqtt.own_broker import Address
from . import modbus, mqtt
from .report import FAULTS, Row, as_json, mask_identifiers, masked, spelled, table

PASSWORD = "FORECOURT_MQTT_PASSWORD"  # noqa: S105 - where it is
_MOST_REGISTERS = 125
_LONGEST = 300
_EPILOG = f"""\
Nothing is ever written to the box. Serial numbers and tokens show their last four characters,
unless you say --show. The password of a broker is taken from the environment ({PASSWORD}).

It ends with 0 if everything was read, 1 if something is missing or contradicts the profile,
2 if the command is wrong, 3 if nobody answers, 4 if no profile fits, 5 if several do."""


class Exit(IntEnum):
    """How the command ends."""

    READ = 0
    INCOMPLETE = 1
    USAGE = 2
    NO_ANSWER = 3
    UNKNOWN = 4
    SEVERAL = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return how it ended."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.spans = []
    try:
        options.spans = [_span(text) for text in options.read]
        profile, profiles = _profiles(options)
    except (ValueError, KeyError, ProfileError) as err:
        parser.error(str(err.args[0] if isinstance(err, KeyError) else err))
    if options.spans and not (options.show and profile is not None):
        parser.error("--read shows registers as they are: it takes --show, and --profile")
    # What it logs has what the box told in it, serial numbers too.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    try:
        run = _by_mqtt if options.mqtt else _by_modbus
        return asyncio.run(run(options, profile, profiles))
    except LinkError as err:
        print(f"{options.host}: {FAULTS.get(err.fault, err.fault)} ({err.detail})", file=sys.stderr)
        return Exit.NO_ANSWER
    except KeyboardInterrupt:
        return Exit.NO_ANSWER


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "probe",
        description=__package__
        and "Identify a wallbox and show what it tells, without changing it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("host", help="address of the wallbox, or of the broker; of a serial line, the device")
    add("--port", type=int, help="where it is not the usual one")
    add("--profile", metavar="ID|FILE", help="do not ask what it is: read what this profile says")
    add("--profiles", type=Path, metavar="FOLDER", help="where profiles of your own are")
    add("--outlets", type=int, default=1, help="how many outlets to read")
    add("--json", action="store_true", help="print JSON")
    add("--show", action="store_true", help="show serial numbers and tokens whole")
    add("--unit", type=int, help="Modbus unit id, where it is not the usual one")
    add("--kind", choices=get_args(Kind.__value__), default="tcp", help="how Modbus is carried")
    add(
        "--read",
        action="append",
        default=[],
        metavar="TABLE:ADDRESS:COUNT",
        help="Modbus registers to show as they are, such as holding:1000:20; may be repeated",
    )
    add("--mqtt", action="store_true", help="listen at an MQTT broker instead of Modbus")
    add("--topic", action="append", default=[], help="topic to show too; may be repeated")
    add("--box", metavar="ID", help="what the box calls itself in its topics")
    add("--username", help="at the broker")
    add("--seconds", type=float, default=10.0, help="how long to listen (10)")
    return parser


def _profiles(options: argparse.Namespace) -> tuple[Profile | None, list[Profile]]:
    """Return the profile that was asked for, and all of the protocol.

    Raises `ProfileError`, KeyError for an unknown one, ValueError for one of another protocol.
    """
    library = Library(user=options.profiles)
    protocol = MQTT if options.mqtt else MODBUS
    profiles = [each for each in library.all().values() if each.protocol == protocol]
    if options.profile is None:
        return None, profiles
    if options.profile.endswith(".yaml"):
        path = Path(options.profile)
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as err:
            raise ValueError(f"{path} cannot be read: {err}") from err
        profile = load_profile(text, name=path.name, base=_shipped)
    else:
        try:
            profile = library.get(options.profile)
        except KeyError:
            raise KeyError(f"there is no profile {options.profile}") from None
    if profile.protocol != protocol:
        raise ValueError(f"the profile {profile.id} is for {profile.protocol}, not {protocol}")
    return profile, profiles


def _shipped(profile_id: str) -> str:
    path = Path(__file__).parents[1] / "stations" / "profiles" / f"{Path(profile_id).name}.yaml"
    if not path.is_file():
        raise KeyError(profile_id)
    return path.read_text("utf-8")


def _span(text: str) -> modbus.Span:
    """Return what `--read` names. Raises ValueError."""
    try:
        space, address, count = text.split(":")
        span = modbus.Span(space=Space(space), address=int(address, 0), count=int(count, 0))
    except ValueError:
        raise ValueError(f"--read {text}: it takes table:address:count") from None
    if not (0 <= span.address <= 0xFFFF and 1 <= span.count <= _MOST_REGISTERS):
        raise ValueError(f"--read {text}: at most {_MOST_REGISTERS} registers, from 0 to 65535")
    return span


async def _by_modbus(
    options: argparse.Namespace, profile: Profile | None, profiles: list[Profile]
) -> int:
    address: ModbusAddress | None = None
    if profile is None:
        if options.kind != "tcp" or options.unit is not None:
            print("What it is can be found out by tcp only: say --profile.", file=sys.stderr)
            return Exit.USAGE
        found = await modbus.identify(options.host, profiles, options.port)
        if found is None:
            ports = [options.port] if options.port else modbus.ports_of(profiles)
            if not await modbus.is_listening(options.host, ports):
                print(f"{options.host}: nobody listens there.", file=sys.stderr)
                return Exit.NO_ANSWER
            print(
                "No profile is sure to fit. If you know the model, say --profile.", file=sys.stderr
            )
            return Exit.UNKNOWN
        if len(found.profiles) > 1:
            print("Several profiles fit; say which one:", file=sys.stderr)
            for each in found.profiles:
                print(f"  --profile {each}", file=sys.stderr)
            return Exit.SEVERAL
        profile = next(each for each in profiles if each.id == found.profiles[0])
        address = found.address
    transport = profile.transport
    assert isinstance(transport, ModbusTransport)  # noqa: S101 - of this protocol
    if address is None:
        port = transport.port if options.port is None else options.port
        address = ModbusAddress(host=options.host, port=port, kind=cast("Kind", options.kind))
    profile = modbus.with_unit(profile, options.unit)
    rows = await modbus.read_all(profile, address, options.outlets)
    wrong = modbus.mistaken(profile, rows)
    code = _print(options, profile, rows, wrong)
    if options.spans:
        print()
        for at, word in await modbus.read_raw(profile, address, options.spans):
            shown = word if isinstance(word, str) else f"{word:5d}  {word:04x}"
            print(f"{at:5d}  {shown}")
    return code


async def _by_mqtt(
    options: argparse.Namespace, profile: Profile | None, profiles: list[Profile]
) -> int:
    address = Address(
        host=options.host,
        port=options.port or 1883,
        username=options.username,
        password=os.environ.get(PASSWORD),
    )
    candidates = profiles if profile is None else [profile]
    names = None
    if profile is not None and options.box is not None:
        names = mqtt.prefix_of(profile, options.box)
    also = [*options.topic, *(mqtt.topics_of(profile, names) if profile and names else ())]
    heard = await mqtt.listen(address, candidates, also, options.seconds)
    payloads = heard.payloads
    if names is None:
        boxes = [box for box in heard.boxes if options.box in (None, box.box_id)]
        if len(boxes) != 1:
            print("Say which one:" if boxes else "No box that a profile fits.", file=sys.stderr)
            for box in boxes:
                box_id = box.box_id if options.show else masked(box.box_id)
                print(f"  --profile {box.profile_id} --box {box_id}", file=sys.stderr)
            _print_topics(options, payloads)
            return Exit.SEVERAL if boxes else Exit.UNKNOWN
        profile = next(each for each in candidates if each.id == boxes[0].profile_id)
        names = {"id": boxes[0].box_id, "prefix": boxes[0].prefix}
        topics = mqtt.topics_of(profile, names)
        payloads |= (await mqtt.listen(address, [], topics, options.seconds)).payloads
    assert profile is not None  # noqa: S101 - one of both ways
    code = _print(options, profile, mqtt.rows_of(profile, names, payloads), None, names["id"])
    _print_topics(options, payloads)
    return code


def _print_topics(options: argparse.Namespace, payloads: dict[str, bytes]) -> None:
    wanted = [topic for topic in sorted(payloads) if options.topic and not options.json]
    for topic in wanted:
        line = f"{topic}  {payloads[topic][:_LONGEST].decode(errors='replace')}"
        print(line if options.show else mask_identifiers(line))


def _print(
    options: argparse.Namespace,
    profile: Profile,
    rows: Sequence[Row],
    wrong: str | None,
    box_id: str = "",
) -> int:
    def hide(text: str) -> str:
        return text if options.show or not box_id else text.replace(box_id, masked(box_id))

    shown_wrong = wrong if wrong is None or options.show else mask_identifiers(wrong)
    if options.json:
        told = {
            "profile": profile.id,
            "confidence": profile.confidence.value,
            "mismatch": shown_wrong,
            "readings": [as_json(row, show=options.show) for row in rows],
        }
        print(hide(json.dumps(told, indent=2, ensure_ascii=False)))
    else:
        print(f"{profile.vendor} {', '.join(profile.models)}")
        print(f"profile {profile.id}, confidence {spelled(profile.confidence.value)}")
        if shown_wrong is not None:
            print(f"It is another model: {shown_wrong}.")
        print()
        for line in table(rows, show=options.show):
            print(hide(line))
    complete = wrong is None and not any(row.failed for row in rows)
    return Exit.READ if complete else Exit.INCOMPLETE
