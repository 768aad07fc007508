"""A whole site without Home Assistant: site, ledger and central system on a real port."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from custom_components.forecourt.core.control.limits import Limits
from custom_components.forecourt.core.model.session import Session, SessionStatus
from custom_components.forecourt.ledger import Ledger
from custom_components.forecourt.site import Site
from custom_components.forecourt.stations.ocpp import CentralSystem, Timing
from simulator import Clock, Ocpp16Station, StationConfig
from tests.unit.site.world import KEY, TOKENS, USERS, settings

LIMITS = Limits(max_current_a=16, fallback_current_a=6)
QUICK = Timing(call_s=2, close_s=0.3, drain_s=1, pong_s=0.5, probe_s=0.5, quiet_boot_s=0.1)


class Depot:
    """The site and its surroundings; `restart` is one of Home Assistant, on the same port."""

    site: Site
    ledger: Ledger
    central: CentralSystem
    timing = QUICK

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stations: dict[str, tuple[str | None, int]] = {}
        self._learned: dict[str, dict[str, Any]] = {}
        self._port = 0
        self._loop: asyncio.Task[None]

    async def open(self) -> None:
        self.ledger = await Ledger.open(self._path, KEY)
        self.site = Site(self.ledger, KEY, settings(), lambda: datetime.now(UTC))
        await self.site.load()
        self.site.set_members(USERS, TOKENS)
        # Stations set their clocks from whole seconds, so they tell of a time before they came.
        await self.site.books.set_price(datetime.now(UTC) - timedelta(hours=2), Decimal("0.30"))
        self.central = CentralSystem(
            self.site,
            now=lambda: datetime.now(UTC),
            on_learned=self._learned.__setitem__,
            sample_interval_s=1,
            fallback_current_a=LIMITS.fallback_current_a,
            timing=self.timing,
        )
        for identity in self._stations:
            self._take_in(identity)
        await self.central.start("127.0.0.1", self._port)
        assert self.central.port is not None
        self._port = self.central.port
        self._loop = asyncio.create_task(self.site.run())

    async def close(self) -> None:
        await self.central.stop()
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        await self.site.close()
        await self.ledger.close()

    async def restart(self, away_s: float = 0) -> None:
        await self.close()
        await asyncio.sleep(away_s)
        await self.open()

    def add(self, identity: str, password_hash: str | None = None, evses: int = 1) -> None:
        self._stations[identity] = (password_hash, evses)
        self._take_in(identity)

    def _take_in(self, identity: str) -> None:
        password_hash, evses = self._stations[identity]
        station = self.central.add_station(
            identity, password_hash, evses, learned=self._learned.get(identity)
        )
        self.site.add_station(station, LIMITS, {})

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    @asynccontextmanager
    async def box(
        self,
        identity: str = "BOX",
        *,
        speed: float = 600,
        url: str | None = None,
        **options: Any,
    ) -> AsyncGenerator[Ocpp16Station]:
        """A simulated station that the site knows, connected and accepted."""
        self.add(identity, evses=options.get("connectors", 1))
        options = {"reconnect_s": 0.05, "call_timeout_s": 0.5, "tick_s": 0.02} | options
        config = StationConfig(identity, **options)
        async with Ocpp16Station(config, url or self.url, clock=Clock(speed)) as station:
            await station.wait_for(lambda s: s.ready)
            yield station

    async def sessions(self) -> list[Session]:
        """Return what is in the ledger, oldest first."""
        return list(reversed(await self.ledger.sessions()))

    async def settled(self, box: Ocpp16Station) -> list[Session]:
        """Unplug every car, wait until all is told, and return the sessions."""
        for number in range(1, box.config.connectors + 1):
            if box.connector(number).evse.car is not None:
                await box.unplug(number)
        await box.wait_for(lambda s: s.ready and not len(s.outbox), 10)
        async with asyncio.timeout(5):
            while await self.ledger.open_sessions():  # noqa: ASYNC110 - others close them
                await asyncio.sleep(0.02)
        return await self.sessions()

    async def agrees(self, box: Ocpp16Station) -> list[Session]:
        """Check that the ledger has what the station's own books have, no more and no less."""
        sessions = await self.settled(box)
        booked = [
            await self.ledger.transaction(number) for number in range(1, 1 + await self._ids())
        ]
        ours = [
            (t.id, t.evse.number, t.meter_start_wh, t.meter_stop_wh, t.energy_wh)
            for t, _ in filter(None, booked)
            if t.evse.station_id == box.config.identity
        ]
        theirs = [
            (
                t.transaction_id,
                t.connector,
                t.meter_start_wh,
                t.meter_stop_wh,
                (t.meter_stop_wh or 0) - t.meter_start_wh,
            )
            for t in box.books.transactions
        ]
        assert sorted(ours) == sorted(theirs)
        mine = [one for one in sessions if one.evse.station_id == box.config.identity]
        assert sum(one.energy_wh for one in mine) == sum(energy for *_, energy in theirs)
        assert {one.status for one in mine} == {SessionStatus.CLOSED}
        assert box.books.violations == []
        return mine

    async def _ids(self) -> int:
        count: int = await self.ledger._run(
            lambda connection: connection.exec_driver_sql(
                "SELECT coalesce(max(id), 0) FROM transactions"
            ).scalar_one()
        )
        return count


async def until(condition: Callable[[], object], timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - others change it on the same loop
            await asyncio.sleep(0.01)
