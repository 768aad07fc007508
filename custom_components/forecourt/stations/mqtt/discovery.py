"""Boxes that make themselves known by the topics they publish."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import re

from ..declarative.profile import MqttTransport, Profile
from .broker import matches
from .payloads import fill

_LONGEST = 4_096
_ID = re.compile(r"[\w.:\-]{1,64}")
_WILD = re.compile(r"[+#\x00]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A box: which profile fits, which one it is, and where its topics begin."""

    profile_id: str
    box_id: str
    prefix: str


def topics(profiles: Iterable[Profile]) -> tuple[str, ...]:
    """Return what has to be listened to, each once."""
    found = {
        topic: None
        for profile in profiles
        if isinstance(profile.transport, MqttTransport)
        for topic in profile.transport.discovery
    }
    return tuple(found)


def find(profiles: Iterable[Profile], topic: str, payload: bytes) -> tuple[Found, ...]:
    """Return the boxes that a message tells of; none if it is empty (a box that was removed)."""
    text = payload[:_LONGEST].decode(errors="replace")
    if not text.strip():
        return ()
    found: dict[Found, None] = {}
    for profile in profiles:
        transport = profile.transport
        if not isinstance(transport, MqttTransport):
            continue
        for pattern in transport.discovery:
            if matches(pattern, topic):
                found |= dict.fromkeys(_boxes(profile.id, transport, pattern, topic, text))
    return tuple(found)


def _boxes(
    profile_id: str, transport: MqttTransport, pattern: str, topic: str, text: str
) -> Iterator[Found]:
    level = pattern.split("/").index("+") if "+" in pattern.split("/") else None
    levels = topic.split("/")
    if transport.discovered_id is not None:
        ids = [_first(found) for found in re.finditer(transport.discovered_id, text)]
    elif level is not None:
        ids = [levels[level]]
    else:
        ids = [profile_id]
    prefix = None if level is None else "/".join(levels[: level + 1])
    if transport.discovered_prefix is not None:
        told = re.search(transport.discovered_prefix, text)
        prefix = None if told is None else _first(told)
    elif "{id}" not in transport.prefix:
        prefix = transport.prefix
    for box_id in ids:
        if _ID.fullmatch(box_id) is None:
            continue
        base = fill(transport.prefix, {"id": box_id}) if prefix is None else prefix
        if _WILD.search(base) is None:
            yield Found(profile_id=profile_id, box_id=box_id, prefix=base)


def _first(found: re.Match[str]) -> str:
    group: str | None = found[1] if found.re.groups else found[0]
    return group or ""
