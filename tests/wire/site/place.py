"""A site with a port that stations dial, in the hands of a test: its clock, and its disk."""

from datetime import datetime
import sqlite3
from threading import Event
from typing import cast

from sqlalchemy import Connection

from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.stations.ocpp import CentralSystem
from tests.unit.site.world import LIMITS, World
from tests.wire.ocpp.conftest import QUICK


class Place(World):
    """The world of one station that is called "garage"; `restart` is one of Home Assistant."""

    central: CentralSystem

    async def open(self) -> None:
        await super().open()
        self.central = CentralSystem(self.site, now=lambda: self.now, timing=QUICK)
        self.site.add_station(self.central.add_station("garage"), LIMITS, {})
        await self.central.start("127.0.0.1", 0)

    async def close(self) -> None:
        await self.central.stop()
        await super().close()

    async def fill_disk(self) -> None:
        """Let no end be booked until `empty_disk`."""
        await self._execute(
            "CREATE TEMP TRIGGER full BEFORE UPDATE OF ended_at ON transactions "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )

    async def empty_disk(self) -> None:
        await self._execute("DROP TRIGGER full")

    async def hold_disk(self) -> tuple[Event, Event]:
        """Let the next start wait, on its way to the disk, until the second event is set.

        The first is set when it waits.
        """
        waits, goes_on = Event(), Event()

        def wait() -> None:
            waits.set()
            goes_on.wait(10)

        def slow(connection: Connection) -> None:
            driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            driver.create_function("wait", 0, wait)

        await self.ledger._run(slow)
        await self._execute(
            "CREATE TEMP TRIGGER slow BEFORE INSERT ON transactions BEGIN SELECT wait(); END"
        )
        return waits, goes_on

    async def _execute(self, statement: str) -> None:
        await self.ledger._run(lambda connection: connection.exec_driver_sql(statement))

    async def only_session(self) -> Session:
        [session] = await self.sessions()
        return session

    async def times(self) -> list[tuple[datetime, int | None]]:
        """Return when each register of the session was read."""
        readings = await self.ledger.readings(await self.only_session())
        return [(reading.at, reading.register_wh) for reading, _ in readings]
