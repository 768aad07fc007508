"""Listens to a box by MQTT for a while; publishes nothing."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..stations.declarative.profile import MqttTransport, Profile, ReadingSpec, Topic
from ..stations.declarative.transform import UnmappedError, decode
from ..stations.mqtt.broker import matches
from ..stations.mqtt.discovery import Found, find, topics
from ..stations.mqtt.own_broker import Address, OwnBroker
from ..stations.mqtt.payloads import GarbledError, fill, parse, pick
from .report import Row

_MOST_TOPICS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was told: the newest payload of each topic, and the boxes that they show."""

    payloads: dict[str, bytes]
    boxes: tuple[Found, ...]


async def listen(
    address: Address, profiles: Sequence[Profile], also: Iterable[str], listen_s: float
) -> Heard:
    """Return what is told within a time, of all topics that show boxes, and others.

    Raises `LinkError` if the broker cannot be reached or does not let in.
    """
    payloads: dict[str, bytes] = {}

    def take(topic: str, payload: bytes, _: bool) -> None:
        if topic in payloads or len(payloads) < _MOST_TOPICS:
            payloads[topic] = payload

    async with OwnBroker(address) as broker:
        await broker.wait_connected()
        for topic in dict.fromkeys((*topics(profiles), *also)):
            await broker.subscribe(topic, take)
        await asyncio.sleep(listen_s)
    boxes = {
        box: None for topic, payload in payloads.items() for box in find(profiles, topic, payload)
    }
    return Heard(payloads=payloads, boxes=tuple(boxes))


def topics_of(profile: Profile, names: dict[str, str]) -> list[str]:
    """Return what has to be listened to for a box."""
    return [topic for _, _, topic in _readings(profile, names)]


def prefix_of(profile: Profile, box_id: str) -> dict[str, str]:
    """Return what the placeholders of a box's topics stand for, at its usual place."""
    if not isinstance(profile.transport, MqttTransport):
        raise TypeError(f"the profile {profile.id} is not for MQTT")
    return {"id": box_id, "prefix": fill(profile.transport.prefix, {"id": box_id})}


def rows_of(profile: Profile, names: dict[str, str], heard: dict[str, bytes]) -> list[Row]:
    """Return every reading of a profile."""
    return [_row(*reading, heard) for reading in _readings(profile, names)]


def _row(spec: ReadingSpec, source: Topic, topic: str, heard: dict[str, bytes]) -> Row:
    path = "".join(f"[{step}]" for step in source.path)
    common = {"role": spec.role, "outlet": 0 if spec.station else 1, "where": f"{topic} {path}"}
    raw: object = None

    def row(**values: object) -> Row:
        return Row(**{**common, "optional": spec.optional, **values})  # type: ignore[arg-type]

    payload = next((told for at, told in heard.items() if matches(topic, at)), None)
    if payload is None:
        return row(problem="nothing was told within the time")
    try:
        raw = pick(parse(payload, as_json=source.json), source)
        meaning = decode(spec.transform, raw)
    except UnmappedError as err:
        problem = f"the profile has no meaning for {err.raw!r}"
        return row(problem=problem, optional=False)
    except GarbledError as err:
        return row(problem=f"the payload is {err}")
    except KeyError:
        return row(problem="the payload has no such value")
    return row(value=meaning, raw=str(raw))


def _readings(profile: Profile, names: dict[str, str]) -> Iterator[tuple[ReadingSpec, Topic, str]]:
    transport = profile.transport
    first = transport.first_connector if isinstance(transport, MqttTransport) else 1
    places = {**names, "connector": str(first)}
    for spec in profile.readings.values():
        if isinstance(spec.source, Topic):
            yield spec, spec.source, fill(fill(spec.source.topic, names), places)
