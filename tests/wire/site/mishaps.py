"""Whatever may happen to a site with two stations, step by step."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
import copy
from dataclasses import replace
from pathlib import Path
import shutil
from typing import Any, Literal, NamedTuple, Self

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.site.orders import AlreadyChargingError, NotChargingError
from custom_components.forecourt.stations.base import StationError
from simulator import Clock, Config201, Ocpp16Station, Ocpp201Station, StationConfig
from simulator.ocpp16.outbox import Message

from . import depot
from .depot import Depot, until
from .reckoning import Box, Notes, Reckoning
from .wire import Wire

type Step = tuple[Any, ...]

ANY = "[3,"
VERDICT = ('"transactionId"', '"idTokenInfo"')
"""What is in the answer to a start, by station."""

OUTLETS = (1, 2)
ACTIONS = {
    "1.6": ("StartTransaction", "MeterValues", "StopTransaction"),
    "2.x": ("TransactionEvent",),
}
QUICK: dict[str, Any] = {
    "reconnect_s": 0.02,
    "reconnect_max_s": 0.1,
    "reboot_s": 0.05,
    "tick_s": 0.02,
    "call_timeout_s": 5,
    "seed": 0,
}
PATIENCE_S = 20.0


class Place(Depot):
    """A depot that can also be killed."""

    # A busy machine takes its time from the handshake to the word that a station has booted.
    timing = replace(depot.QUICK, quiet_boot_s=0.5)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.alive = False
        self._kills = 0
        self._on_disk: dict[str, dict[str, Any]] = {}

    async def open(self) -> None:
        await super().open()
        self.site.lists.settle_s = self.site.lists.spacing_s = 0.01
        self.alive = True

    async def close(self) -> None:
        self.alive = False
        await super().close()
        self._on_disk = copy.deepcopy(self._learned)

    async def kill(self) -> None:
        """End as a process that is killed: what is on disk stays, and nobody is told anything.

        The ledger goes on with the files as they are at this moment; whatever the old site
        still does goes to others, and its sockets are gone.
        """
        self.alive = False
        self._kills += 1
        path = self._path.with_name(f"after-{self._kills}.db")
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(f"{self._path}{suffix}", f"{path}{suffix}")
        for connection in tuple(self.central._connections.values()):
            connection.link.abort("killed")
        await super().close()
        self._path = path
        self._learned = copy.deepcopy(self._on_disk)
        await self.open()


class Traits(NamedTuple):
    """What the stations are like."""

    version: Literal["2.0.1", "2.1"] = "2.0.1"
    tx_start_point: str = "PowerPathClosed"
    has_clock: bool = True


class Day:
    """Does the steps, and checks the books when it is over."""

    def __init__(self, place: Place, traits: Traits) -> None:
        self.place = place
        self._traits = traits
        self._stack = AsyncExitStack()
        self._notes = Notes()
        self._boxes: list[Box] = []
        self._wires: list[Wire] = []
        self._readers = [asyncio.Lock(), asyncio.Lock()]
        self._site = asyncio.Lock()
        self._work: set[asyncio.Task[None]] = set()
        self._registers: dict[EvseId, int] = {}
        self._swaps: set[int] = set()
        self._disordered = False

    async def __aenter__(self) -> Self:
        await self.place.open()
        port = self.place.central.port or 0
        self._wires = [await self._stack.enter_async_context(Wire(port)) for _ in range(2)]
        old, new = self._wires
        traits = {**QUICK, "battery_backed_clock": self._traits.has_clock}
        config = Config201(
            "NEW",
            evses=len(OUTLETS),
            version=self._traits.version,
            tx_start_point=self._traits.tx_start_point,
            **traits,
        )
        self._boxes = [
            Ocpp16Station(
                StationConfig("OLD", connectors=len(OUTLETS), **traits),
                old.url,
                clock=Clock(600),
                books_file=self._notes,
            ),
            Ocpp201Station(config, new.url, clock=Clock(600), books_file=self._notes),
        ]
        for box in self._boxes:
            self.place.add(box.config.identity, evses=len(OUTLETS))
            await self._stack.enter_async_context(box)
        for box in self._boxes:
            await box.wait_for(lambda s: s.ready)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._stack.aclose()
        await self.place.close()

    async def go(self, steps: Sequence[Step]) -> None:
        """Do the steps. What takes a while goes on while the next ones are done."""
        for name, *details in steps:
            await getattr(self, f"do_{name}")(*details)
            self._swap()
            self._look_at_registers()

    # Steps of the site

    async def do_wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def do_restart(self, away_s: float) -> None:
        async with self._site:
            await self.place.restart(away_s)

    async def do_kill(self, at: int | None, word: str = ANY) -> None:
        """Kill the site: now, or as soon as it has done what a station asks and wants to say so."""
        if at is None:
            async with self._site:
                await self.place.kill()
        else:
            await self.do_lose_answer(at, word)
            self._spawn(self._kill_when_lost(at))

    async def _kill_when_lost(self, at: int) -> None:
        lost = self._wires[at].lost
        with suppress(TimeoutError):
            await until(lambda: not lost, 0.5)
        async with self._site:
            await self.place.kill()

    async def do_order_start(self, at: int, number: int, user_id: str | None) -> None:
        if self.place.alive:
            self._spawn(self._order(self.place.site.orders.start(self._evse(at, number), user_id)))

    async def do_order_stop(self, at: int, number: int) -> None:
        if self.place.alive:
            self._spawn(self._order(self.place.site.orders.stop(self._evse(at, number))))

    async def do_limit(self, at: int, number: int, current_a: int) -> None:
        if self.place.alive:
            self.place.site.orders.limit(self._evse(at, number), current_a)

    # Steps of a station, each impossible one of which is none

    async def do_plug(self, at: int, number: int) -> None:
        """Plug a car in, or out where there is one."""
        box = self._boxes[at]
        if box.connector(number).evse.car is None:
            await box.plug(number, "family", soc=0.1)
        else:
            await box.unplug(number)

    async def do_tap(self, at: int, number: int, card: str) -> None:
        async def tap() -> None:
            async with self._readers[at]:
                await self._boxes[at].tap(card, number)

        self._spawn(tap())

    async def do_sample(self, at: int, number: int) -> None:
        box = self._boxes[at]
        if isinstance(box, Ocpp16Station):
            box.connector(number).readings.take("Sample.Periodic")
        else:
            names = box.variables.names("SampledDataCtrlr.TxUpdatedMeasurands")
            box.evse(number).sample("MeterValuePeriodic", "Sample.Periodic", names)

    async def do_drop(self, at: int, reset: bool) -> None:
        await self._boxes[at].fault("drop", reset=reset)

    async def do_offline(self, at: int, lenient: bool) -> None:
        """Lose the network, where everybody may charge meanwhile if `lenient`; or find it."""
        box = self._boxes[at]
        if not box.connection._network.is_set():
            await box.fault("online")
            return
        await box.fault("offline")
        if isinstance(box, Ocpp16Station):
            box.settings.set("AllowOfflineTxForUnknownId", str(lenient).lower())
        else:
            box.variables.set("AuthCtrlr.OfflineTxForUnknownIdEnabled", str(lenient).lower())

    async def do_power(self, at: int) -> None:
        """Lose the mains, or have them again."""
        box = self._boxes[at]
        await box.fault("power_loss" if box.powered else "power_return")

    async def do_reboot(self, at: int) -> None:
        if self._boxes[at].powered:
            await self._boxes[at].fault("reboot")

    async def do_lose_answer(self, at: int, word: str = ANY) -> None:
        """Break the line instead of the next answer, or what has the word in it."""
        self._wires[at].lost.append(word.encode())

    async def do_lose_reading(self, at: int) -> None:
        await self._boxes[at].fault("lose_reading")

    async def do_again(self, at: int, action: int, way: str) -> None:
        """Send a message twice: the next one at once, or the last one once more."""
        box = self._boxes[at]
        actions = ACTIONS["1.6" if isinstance(box, Ocpp16Station) else "2.x"]
        name = actions[action % len(actions)]
        if box.link is None:
            return
        if way == "upcoming":
            await box.fault("duplicate", action=name, upcoming=True)
        elif name in box.link.last_calls:
            self._spawn(self._repeat(box, name, new_id=way == "new"))

    async def do_swap(self, at: int) -> None:
        """Let a message overtake the one before it, as soon as two of them wait that may."""
        self._swaps.add(at)

    # The end

    async def settle(self) -> None:
        """Mend everything, unplug every car, and wait until all is told."""
        for wire in self._wires:
            wire.lost.clear()
        for box in self._boxes:
            await box.fault("power_return")
            await box.fault("online")
        for box in self._boxes:
            await box.wait_for(lambda s: s.ready, PATIENCE_S)
        await asyncio.gather(*self._work)
        for box in self._boxes:
            await box.wait_for(lambda s: s.ready, PATIENCE_S)
        for box in self._boxes:
            for number in OUTLETS:
                if box.connector(number).evse.car is not None:
                    await box.unplug(number)
            _nobody_comes(box)
        for box in self._boxes:
            await box.wait_for(lambda s: s.ready and not len(s.outbox), PATIENCE_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S / 4):
                while await self.place.ledger.open_sessions():  # noqa: ASYNC110 - others close them
                    await asyncio.sleep(0.01)
        self._look_at_registers()

    async def check(self) -> None:
        """Compare the ledger with what really happened."""
        await Reckoning(self.place, self._notes, disordered=self._disordered).check(self._boxes)

    # How it is done

    def _evse(self, at: int, number: int) -> EvseId:
        return EvseId(self._boxes[at].config.identity, number)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)

    async def _order(self, order: Coroutine[Any, Any, None]) -> None:
        # The site may end meanwhile, which cancels what it has under way.
        with suppress(StationError, AlreadyChargingError, NotChargingError, asyncio.CancelledError):
            await order

    async def _repeat(self, box: Box, action: str, *, new_id: bool) -> None:
        # The connection may be lost meanwhile.
        with suppress(ValueError):
            await box.fault("duplicate", action=action, new_id=new_id)

    def _swap(self) -> None:
        for at in tuple(self._swaps):
            waiting = self._boxes[at].outbox._messages
            # The first one may be on its way.
            if len(waiting) > 2 and _may_overtake(waiting[-2], waiting[-1]):
                waiting[-1], waiting[-2] = waiting[-2], waiting[-1]
                self._swaps.discard(at)
                self._disordered = True

    def _look_at_registers(self) -> None:
        if not self.place.alive:
            # What a site that was killed did last need not be on disk.
            return
        books = self.place.site.books
        found = {
            evse: wh
            for at in range(len(self._boxes))
            for number in OUTLETS
            if (wh := books.register_wh(evse := self._evse(at, number))) is not None
        }
        self._registers_did_not_fall(found)

    def _registers_did_not_fall(self, found: dict[EvseId, int]) -> None:
        for evse, before_wh in self._registers.items():
            assert found[evse] >= before_wh
        self._registers = found


def _nobody_comes(box: Box) -> None:
    """Have the time run out in which somebody who showed a card may still plug in."""
    if isinstance(box, Ocpp16Station):
        for connector in box.connectors.values():
            connector.grant = None
        box.internals.changed()
        return
    for outlet in box.outlets.values():
        if outlet.permit is not None:
            outlet.disallow("EVConnectTimeout", "Timeout")


def _may_overtake(first: Message, second: Message) -> bool:
    """Whether the second message may come before the first.

    In OCPP 1.6 what belongs to a transaction cannot come before its start is answered. In 2.x
    it can, but what is heard of a charge before its start does not tell whose it is.
    """
    if first.payload.get("eventType") == "Started":
        return False
    return first.action != "StartTransaction" or (
        second.action == "StartTransaction"
        and first.payload["connectorId"] != second.payload["connectorId"]
    )
