"""A site in the hands of a test: its own clock, a real ledger, and stations that do as told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from custom_components.forecourt.core.access.authorize import TokenRecord
from custom_components.forecourt.core.control.limits import Limits
from custom_components.forecourt.core.model.events import SessionEvent, Tap
from custom_components.forecourt.core.model.evse import EvseState, EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.setpoint import Setpoint
from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.core.model.token import Access, Authorization, Token, User
from custom_components.forecourt.ledger import Ledger
from custom_components.forecourt.site import Site, SiteSettings
from custom_components.forecourt.stations.base import (
    Failure,
    StationError,
    TransactionAnswer,
    TransactionEnd,
    TransactionStart,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = b"the secret of this installation"
LIMITS = Limits(max_current_a=32, fallback_current_a=6)
EVSE = EvseId("garage", 1)

ANNA = User(id="anna", name="Anna", group="family")
BEN = User(id="ben", name="Ben", group="family")
CARL = User(id="carl", name="Carl")
USERS = (ANNA, BEN, CARL)

ANNAS, BENS, CARLS, BARRED, UNKNOWN = (
    Token("04AA0001"),
    Token("04BB0002"),
    Token("04CC0003"),
    Token("04CC0004"),
    Token("04EE0005"),
)
TOKENS = (
    TokenRecord(token=ANNAS, user_id="anna"),
    TokenRecord(token=BENS, user_id="ben"),
    TokenRecord(token=CARLS, user_id="carl"),
    TokenRecord(token=BARRED, user_id="carl", blocked=True),
)


class Box:
    """A station that keeps what it was told, and does not do it where `failure` is set."""

    def __init__(self, station_id: str = "garage", evses: int = 1) -> None:
        self.info = StationInfo(id=station_id, protocol="test", evses=evses)
        self.online = True
        self.fallback_current_a: int | None = 6
        self.lacks: set[type] = set()
        self.failure: Failure | None = None
        self.hold: asyncio.Event | None = None
        self.told: list[tuple[str, Any]] = []

    def supports(self, capability: type) -> bool:
        return capability not in self.lacks

    async def apply(self, setpoint: Setpoint) -> None:
        await self._take("apply", setpoint)

    async def start(self, evse: EvseId, token: Token) -> None:
        await self._take("start", (evse, token))

    async def stop(self, transaction_id: int) -> None:
        await self._take("stop", transaction_id)

    async def unlock(self, evse: EvseId) -> None:
        await self._take("unlock", evse)

    async def reset(self) -> None:
        await self._take("reset", None)

    async def _take(self, command: str, what: Any) -> None:
        self.told.append((command, what))
        if self.hold is not None:
            await self.hold.wait()
        if self.failure is not None:
            raise StationError(self.info.id, self.failure)

    def all(self, command: str) -> list[Any]:
        """Return what came with each of these commands."""
        return [what for name, what in self.told if name == command]

    @property
    def limits_a(self) -> list[int]:
        """Return the currents that it was told, each once."""
        currents: list[int] = []
        for setpoint in self.all("apply"):
            if not currents or currents[-1] != setpoint.current_a:
                currents.append(setpoint.current_a)
        return currents


class World:
    """A site with its surroundings; `restart` is one of Home Assistant."""

    site: Site
    ledger: Ledger

    def __init__(self, path: Path, settings: SiteSettings) -> None:
        self.path = path
        self.settings = settings
        self.now = NOON
        self.boxes: dict[str, Box] = {}
        self.taps: list[Tap] = []
        self.session_events: list[SessionEvent] = []
        self.price: Decimal | None = None

    async def open(self) -> None:
        self.ledger = await Ledger.open(self.path, KEY)
        self.site = Site(self.ledger, KEY, self.settings, lambda: self.now)
        self.site.desk.tapped.connect(self.taps.append)
        self.site.books.session_event.connect(self.session_events.append)
        await self.site.load()
        self.site.set_members(USERS, TOKENS)
        if self.price is not None:
            await self.site.books.set_price(self.now, self.price)
        for box in self.boxes.values():
            self.site.add_station(box, LIMITS, {})

    async def close(self) -> None:
        await self.site.close()
        await self.ledger.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()

    def add(self, station_id: str = "garage", evses: int = 1) -> Box:
        """Take in a station that is online."""
        box = self.boxes[station_id] = Box(station_id, evses)
        self.site.add_station(box, LIMITS, {})
        return box

    async def costs(self, price: str | None) -> None:
        self.price = None if price is None else Decimal(price)
        await self.site.books.set_price(self.now, self.price)

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    async def turn(self) -> None:
        """Let the loop turn once, and the stations do what it orders."""
        await self.site.turn()
        await self.idle()

    async def idle(self) -> None:
        while self.site.controller._busy or self.site.displays._busy:  # noqa: ASYNC110
            await asyncio.sleep(0)

    # What a station reports.

    async def status(
        self, status: EvseStatus, evse: EvseId = EVSE, at: datetime | None = None
    ) -> None:
        await self.site.status_changed(evse, status, at or self.now)

    async def plug(self, evse: EvseId = EVSE) -> None:
        await self.status(EvseStatus.PREPARING, evse)

    async def free(self, evse: EvseId = EVSE) -> None:
        await self.status(EvseStatus.AVAILABLE, evse)

    async def tap(self, token: Token, station_id: str = "garage") -> Authorization:
        return await self.site.authorize(station_id, token, self.now)

    async def start(
        self, token: Token | None, wh: int = 1_000, evse: EvseId = EVSE, **more: Any
    ) -> TransactionAnswer:
        return await self.site.transaction_started(
            TransactionStart(evse=evse, token=token, meter_start_wh=wh, **{"at": self.now} | more)
        )

    async def stop(
        self,
        transaction_id: int | None,
        wh: int | None,
        station_id: str = "garage",
        **more: Any,
    ) -> Authorization | None:
        return await self.site.transaction_ended(
            TransactionEnd(
                station_id=station_id,
                transaction_id=transaction_id,
                meter_stop_wh=wh,
                **{"at": self.now} | more,
            )
        )

    async def meter(
        self, wh: int | None, transaction_id: int | None = None, evse: EvseId = EVSE, **more: Any
    ) -> None:
        reading = Reading(register_wh=wh, **{"at": self.now} | more)
        await self.site.report(evse, (reading,), transaction_id)

    # What is known.

    def state(self, evse: EvseId = EVSE) -> EvseState:
        return self.site.board[evse]

    async def sessions(self) -> list[Session]:
        """Return what is in the ledger, by start and, of the same moment, as it was booked."""
        booked: list[str] = await self.ledger._run(
            lambda connection: list(
                connection.exec_driver_sql("SELECT id FROM sessions ORDER BY rowid").scalars()
            )
        )
        return sorted(
            await self.ledger.sessions(), key=lambda one: (one.started_at, booked.index(one.id))
        )

    async def rows(self, table: str) -> int:
        """Return how many rows a table of the ledger has."""
        count: int = await self.ledger._run(
            lambda connection: connection.exec_driver_sql(
                f"SELECT count(*) FROM {table}"  # noqa: S608 - a name of our own
            ).scalar_one()
        )
        return count


async def together(*calls: Awaitable[object]) -> None:
    await asyncio.gather(*calls)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what others do on the loop."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def settings(access: Access = Access.KNOWN, **more: Any) -> SiteSettings:
    wanted: dict[str, Any] = {"main_fuse_a": 63, "access": access, "currency": "EUR"}
    return SiteSettings(**wanted | more)


def reasons(taps: Iterable[Tap]) -> list[str]:
    return [tap.authorization.reason.value for tap in taps]
