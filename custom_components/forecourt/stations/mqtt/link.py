"""One box over MQTT, as the declarative station sees it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
import re
import time

from ..declarative.firmware import within
from ..declarative.link import LinkError, LinkFault, Sample
from ..declarative.profile import MqttTransport, Order, Profile, Role, Scalar, Topic, Write
from ..declarative.transform import UnmappedError, encode
from .broker import Broker, Unsubscribe, at_wildcards
from .heard import Memory, Place, Wanted
from .payloads import GarbledError, fill, parse, pick, text_of

_PATIENCE_S = 35.0
"""How long the first word of a box may take: OpenEVSE tells everything every 30 s."""

_SETTLES_S = 2.0
"""How long we wait for the rest once it speaks."""

_ANSWERS_S = 5.0
_LONGEST_WORD = 200
_NONSENSE = re.compile(r"(?i)invalid|unknown|pars|malformed|range")


class MqttLink:
    """The newest of what a box publishes, and what it is told. Implements `Link`.

    A box lives while it says that it is online, or, where it does not say so or tells everything
    again and again, while anything was heard of it within the profile's `stale_after_s`.
    """

    def __init__(
        self,
        profile: Profile,
        broker: Broker,
        box_id: str,
        *,
        prefix: str | None = None,
        outlets: int = 1,
        patience_s: float = _PATIENCE_S,
        settles_s: float = _SETTLES_S,
        answers_s: float = _ANSWERS_S,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Subscribe to nothing yet. `prefix` is where its topics begin, if not the usual.

        Raises ValueError for a profile of another protocol.
        """
        if not isinstance(profile.transport, MqttTransport):
            raise ValueError(f"{profile.id} is no profile for MQTT")  # noqa: TRY004 - of a file
        self._profile = profile
        self._transport = profile.transport
        self._broker = broker
        self._patience_s = patience_s
        self._settles_s = settles_s
        self._answers_s = answers_s
        self._clock = clock
        self._wall = wall
        names = {"id": box_id}
        names["prefix"] = fill(profile.transport.prefix, names) if prefix is None else prefix
        self._names = names
        self._wanted: defaultdict[str, list[Wanted]] = defaultdict(list)
        self._places: list[Place] = []
        for wanted in self._all_wanted(outlets):
            self._wanted[wanted.source.topic].append(wanted)
            self._places.append((wanted.spec.role, wanted.outlet))
        self._answer_topics = tuple(
            {self._fill(topic, outlet) for topic, outlet in self._all_answers(outlets)}
        )
        self._heard = Memory()
        self._lived_at: float | None = None
        self._online: bool | None = None
        self._was_connected = False
        self._listeners: list[Callable[[], None]] = []
        self._told = asyncio.Event()
        self._answers: dict[str, asyncio.Future[tuple[str, str]]] = {}
        self._telling = asyncio.Lock()
        self._stops: list[Unsubscribe] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker is there, and the box lives."""
        return self._broker.connected and self._lives

    async def open(self) -> None:
        """Listen until the box speaks. Raises `LinkError` if it does not in time."""
        if self._stops:
            return
        try:
            self._stops.append(self._broker.on_connection(self._connection_changed))
            await self._subscribe()
            await self._until(lambda: self.connected and self._speaks, self._patience_s)
        except BaseException:
            await self.close()
            raise
        with suppress(LinkError):
            await self._until(self._complete, self._settles_s)
        self._was_connected = self.connected
        self._watch()

    async def close(self) -> None:
        """Listen no more; may be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        stops, self._stops = self._stops, []
        for stop in stops:
            stop()
        self._lose_answers()

    def has(self, what: Role | Order) -> bool:
        """Whether this very box has it; what is optional, as soon as it was told."""
        if isinstance(what, Order):
            order = self._profile.orders.get(what)
            return order is not None and self._fits(order.from_firmware, order.to_firmware)
        spec = self._profile.readings.get(what)
        if spec is None or not self._fits(spec.from_firmware, spec.to_firmware):
            return False
        return not spec.optional or what in self._heard

    async def read(self, *, slow: bool = False) -> Sample:
        """Return the newest of each role, `None` for what is stale. `LinkError` if it is away."""
        self._must_be_there()
        places = [place for place in self._places if self.has(place[0])]
        return self._heard.sample(places, now=self._clock(), fresh_s=self._fresh_s())

    async def tell(self, order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        """Publish an order and wait for the box's yes, if it gives one. Raises `LinkError`.

        Whoever does not answer in time: `TIMEOUT`. One that says no: `WRITE_ACCESS`, or
        `GARBLED` if it did not understand, with its own word for it.
        """
        if not self.has(order):
            raise LinkError(LinkFault.NOT_SUPPORTED, str(order))
        spec = self._profile.orders[order]
        async with self._telling:
            for write in spec.writes:
                self._must_be_there()
                await self._write(write, value, outlet)
                if write.delay_s:
                    await asyncio.sleep(write.delay_s)

    def on_news(self, news: Callable[[], None]) -> Callable[[], None]:
        """Call `news` when the box told something, fell silent, or came back."""
        self._listeners.append(news)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(news)

        return stop

    # What is listened to

    def _all_wanted(self, outlets: int) -> Iterator[Wanted]:
        for spec in self._profile.readings.values():
            source = spec.source
            if not isinstance(source, Topic):
                continue
            for outlet in (None,) if spec.station else range(1, outlets + 1):
                topic = self._fill(source.topic, outlet or 1)
                at = Topic(topic=topic, path=source.path, json=source.json)
                yield Wanted(spec=spec, source=at, outlet=outlet)

    def _all_answers(self, outlets: int) -> Iterator[tuple[str, int]]:
        for order in self._profile.orders.values():
            for write in order.writes:
                if write.acknowledge is not None:
                    yield from ((write.acknowledge, outlet) for outlet in range(1, outlets + 1))

    def _fill(self, template: str, outlet: int) -> str:
        number = self._transport.first_connector + outlet - 1
        return fill(fill(template, self._names), {**self._names, "connector": str(number)})

    async def _subscribe(self) -> None:
        for topic in self._wanted:
            self._stops.append(await self._broker.subscribe(topic, self._take))
        if (at := self._transport.availability) is not None:
            topic = self._fill(at.topic, 1)
            self._stops.append(await self._broker.subscribe(topic, self._take_availability))
        for topic in self._answer_topics:
            self._stops.append(await self._broker.subscribe(topic, self._answered(topic)))

    def _answered(self, pattern: str) -> Callable[[str, bytes, bool], None]:
        def take(topic: str, payload: bytes, retained: bool) -> None:
            future = self._answers.get(pattern)
            if future is None or future.done() or retained:
                return
            word = payload.decode(errors="replace").strip()[:_LONGEST_WORD]
            future.set_result((at_wildcards(pattern, topic) or word, word))

        return take

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        if retained and not self._transport.retained:
            return
        now = self._clock()
        if not retained:
            self._lived_at = now
        self._heard.take(self._wanted.get(topic, ()), payload, retained=retained, now=now)
        self._news()

    def _take_availability(self, topic: str, payload: bytes, retained: bool) -> None:
        at, online = self._transport.availability, self._transport.online
        if at is None:
            return
        if online is None:
            if retained:
                return
            self._lived_at = self._clock()
        else:
            try:
                word = pick(parse(payload, as_json=at.json), at)
            except GarbledError, KeyError:
                return
            self._online = word is not None and re.fullmatch(online, text_of(word)) is not None
            if self._online and not retained:
                self._lived_at = self._clock()
        self._news()

    # Whether it lives

    @property
    def _lives(self) -> bool:
        if self._online is False:
            return False
        if self._online and self._transport.on_change:
            return True
        return (
            self._lived_at is not None
            and self._clock() - self._lived_at <= self._transport.stale_after_s
        )

    @property
    def _speaks(self) -> bool:
        return any(role in self._heard for role in self._profile.readings)

    def _complete(self) -> bool:
        return all(
            role in self._heard
            for role, spec in self._profile.readings.items()
            if not spec.optional
        )

    def _fresh_s(self) -> dict[Role, float]:
        """Return how long each role is good for; the others are as long as the box lives."""
        stale_s = self._transport.stale_after_s
        return {
            role: stale_s
            for role, spec in self._profile.readings.items()
            if role is Role.TOKEN or not (self._transport.on_change or spec.slow)
        }

    def _fits(self, from_firmware: str | None, to_firmware: str | None) -> bool:
        firmware = self._heard.get(Role.FIRMWARE)
        return within(None if firmware is None else str(firmware), from_firmware, to_firmware)

    def _must_be_there(self) -> None:
        if not self._broker.connected:
            raise LinkError(LinkFault.REFUSED, "no connection to the MQTT broker")
        if self._online is False:
            raise LinkError(LinkFault.TIMEOUT, "the broker tells that the box is offline")
        if not self._lives:
            raise LinkError(LinkFault.TIMEOUT, "the box is silent")

    def _connection_changed(self, connected: bool) -> None:
        if not connected:
            # Who is online is told again when the broker is back.
            self._online = None
            self._lose_answers()
        self._news()

    def _news(self) -> None:
        self._was_connected = self.connected
        self._told.set()
        for listener in tuple(self._listeners):
            listener()

    def _watch(self) -> None:
        """Look now and then whether the box fell silent: nothing else would tell."""
        if self._was_connected and not self.connected:
            self._news()
        self._timer = asyncio.get_running_loop().call_later(
            self._transport.stale_after_s / 4, self._watch
        )

    async def _until(self, reached: Callable[[], bool], patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                while not reached():
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            self._must_be_there()
            raise LinkError(LinkFault.TIMEOUT, "the box does not tell anything") from None

    # What it is told

    async def _write(self, write: Write, value: Scalar | None, outlet: int) -> None:
        if not isinstance(write.target, Topic):
            raise LinkError(LinkFault.NOT_SUPPORTED, "no topic to write to")
        template = "{value}" if write.payload is None else write.payload
        names = {**self._names, "now": str(int(self._wall()))}
        if "{value}" in template:
            names["value"] = _raw(write, value)
        payload = self._fill(fill(template, names), outlet)
        topic = self._fill(write.target.topic, outlet)
        if write.acknowledge is None:
            await self._broker.publish(topic, payload, qos=write.qos, retain=write.retain)
            return
        answers = self._fill(write.acknowledge, outlet)
        future = self._answers[answers] = asyncio.get_running_loop().create_future()
        try:
            await self._broker.publish(topic, payload, qos=write.qos, retain=write.retain)
            async with asyncio.timeout(self._answers_s):
                answer, word = await future
        except TimeoutError:
            raise LinkError(LinkFault.TIMEOUT, f"no answer at {answers}") from None
        finally:
            del self._answers[answers]
        if re.fullmatch(write.acknowledged or ".*", answer) is None:
            said = answer if answer == word else f"{answer} {word}".strip()
            nonsense = _NONSENSE.search(said) is not None
            raise LinkError(LinkFault.GARBLED if nonsense else LinkFault.WRITE_ACCESS, said)

    def _lose_answers(self) -> None:
        for future in self._answers.values():
            if not future.done():
                future.set_exception(LinkError(LinkFault.REFUSED, "the MQTT connection broke"))


def _raw(write: Write, value: Scalar | None) -> str:
    """Return the value as the box wants it. Raises `LinkError` if there is none for it."""
    if write.value is not None:
        return text_of(write.value)
    if value is None:
        raise LinkError(LinkFault.NOT_SUPPORTED, "it needs a value")
    try:
        return text_of(encode(write.transform, value))
    except UnmappedError as err:
        raise LinkError(LinkFault.NOT_SUPPORTED, f"the box has no {err.raw!r}") from None
