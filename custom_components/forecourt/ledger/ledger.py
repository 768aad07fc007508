"""The ledger as the site uses it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
import hashlib
import hmac
from pathlib import Path
import sqlite3
from typing import Concatenate, Self

from sqlalchemy import Connection

from ..core.model.demand import SiteLimit
from ..core.model.ids import EvseId
from ..core.model.reading import Reading
from ..core.model.session import Session, SessionStatus, Transaction
from ..core.model.token import Authorization, Token
from . import charging, demand, people, prices, snapshot
from .database import Database
from .errors import LedgerClosedError, LedgerError
from .records import LedgerUser, Orphan, SeenToken, UserTotals
from .worker import Worker


class Ledger:
    """What happened, on disk.

    Each method is one round trip to the ledger's own thread. What a station must
    never be told without its being booked (that a transaction began or ended) is
    on the disk when the method returns, whatever happens then. What only
    progresses (readings, taps) survives the end of Home Assistant, however it
    ends; if the power fails, the last of it may be lost. All raise `LedgerError`
    if the disk does not take it; then nothing of it is stored. A call that was
    cancelled while it waited may have been stored or not; it may be repeated.
    """

    def __init__(self, path: Path, key: bytes, worker: Worker) -> None:
        """Use `open`."""
        self.path = path
        self._key = key
        self._worker = worker
        self._closed = False
        self._trouble: str | None = None
        self._on_trouble: Callable[[str | None], None] | None = None

    @classmethod
    async def open(cls, path: Path, key: bytes) -> Self:
        """Open the ledger, after making, restoring or migrating its file.

        `key` is the secret that tokens are hashed with. Raises
        `LedgerTooNewError` if a newer version wrote the file,
        `LedgerUnreadableError` if it cannot be used; it is left alone then.
        """
        worker = Worker(Database(path))
        await worker.start()
        return cls(path, key, worker)

    async def close(self) -> None:
        """Finish what was begun, then end the thread and close the file."""
        if not self._closed:
            self._closed = True
            await self._worker.stop()

    async def _run[**P, R](
        self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do what is on the disk when it is done."""
        return await self._do(lambda connection: work(connection, *args, **kwargs), durable=True)

    async def _read[**P, R](
        self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do what writes nothing."""
        return await self._do(lambda connection: work(connection, *args, **kwargs), durable=False)

    async def _do[R](self, work: Callable[[Connection], R], *, durable: bool) -> R:
        if self._closed:
            raise LedgerClosedError
        try:
            result = await self._worker.do(work, durable=durable)
        except LedgerError as error:
            self._note_trouble(str(error))
            raise
        self._note_trouble(None)
        return result

    def watch(self, on_trouble: Callable[[str | None], None]) -> None:
        """Tell `on_trouble` why the disk does not take what is booked; `None` once it does."""
        self._on_trouble = on_trouble

    def _note_trouble(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            if self._on_trouble is not None:
                self._on_trouble(trouble)

    def token_key(self, token: Token) -> str:
        """Return the keyed hash by which the ledger knows a token."""
        return hmac.new(self._key, token.uid.encode(), hashlib.sha256).hexdigest()

    def _token_key(self, token: Token | None) -> str | None:
        return None if token is None else self.token_key(token)

    # --- charging ---------------------------------------------------------------------------------

    async def find_transaction(
        self,
        evse: EvseId,
        token: Token | None,
        at: datetime,
        meter_start_wh: int,
        *,
        reference: str | None = None,
    ) -> Transaction | None:
        """Return the transaction that this very start began, if it was told before.

        The station's own id decides where it has one, whatever the rest says.
        """
        return await self._read(
            charging.find_transaction,
            evse,
            self._token_key(token),
            at,
            meter_start_wh,
            reference=reference,
        )

    async def start_transaction(
        self,
        session: Session,
        token: Token | None,
        at: datetime,
        meter_start_wh: int,
        *,
        reference: str | None = None,
        closing: Session | None = None,
    ) -> Transaction:
        """Book the start of a transaction of the session and give it its id.

        `token` is `None` where nobody identified, `reference` is the station's own
        id, if it has one. `closing` is the previous session of the EVSE, where this
        start ends it. A start that was booked before returns its transaction and
        changes nothing.
        """
        new = Transaction(
            id=0,
            evse=session.evse,
            session_id=session.id,
            reference=reference,
            started_at=at,
            meter_start_wh=meter_start_wh,
            last_wh=meter_start_wh,
            last_at=at,
            token_key=self._token_key(token),
            token_last4=None if token is None else token.last4,
        )
        return await self._run(charging.start_transaction, new, session, closing)

    async def save(
        self,
        session: Session,
        transaction: Transaction | None = None,
        readings: Sequence[Reading] = (),
        prices: Sequence[Decimal | None] | None = None,
        *,
        durable: bool = True,
    ) -> int:
        """Store the state of both and the readings; return how many of these were new.

        `prices` has the price per kWh in force at each reading, `None` for unknown.
        What identifies a transaction (EVSE, token, start) does not change any more.

        With `durable=False` a loss of power may undo it, up to the last durable call
        before it. That is for readings: they come every few seconds from every
        station, an fsync for each is what a memory card stands least, and the next
        register value counts what a lost one would have. The end of a transaction and
        a closed session are always durable: no station tells them again.
        """
        if prices is None:
            prices = [None] * len(readings)
        ended = transaction is not None and not transaction.open
        return await self._do(
            lambda connection: charging.save(connection, session, transaction, readings, prices),
            durable=durable or ended or session.status is SessionStatus.CLOSED,
        )

    async def transaction(self, transaction_id: int) -> tuple[Transaction, Session] | None:
        """Return a transaction and its session."""
        return await self._read(charging.transaction, transaction_id)

    async def transaction_by_reference(
        self, station_id: str, reference: str
    ) -> tuple[Transaction, Session] | None:
        """Return the transaction that the station names so, and its session."""
        return await self._read(charging.transaction_by_reference, station_id, reference)

    async def transactions_of(self, session_ids: Sequence[str]) -> dict[str, list[Transaction]]:
        """Return the transactions of each of the sessions, oldest first."""
        return await self._read(charging.transactions_of, session_ids)

    async def open_sessions(self) -> list[tuple[Session, Transaction | None]]:
        """Return the open sessions, oldest first, with the transaction that runs in each."""
        return await self._read(charging.open_sessions)

    async def energy_registers(self) -> dict[EvseId, int]:
        """Return what each EVSE delivered, counted on from its first meter value.

        Unlike the station's own register it never falls, nor restarts with a new meter.
        """
        return await self._read(charging.energy_registers)

    async def sessions(
        self,
        *,
        user_id: str | None = None,
        station_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int | None = None,
    ) -> list[Session]:
        """Return the sessions that started from `start` until before `end`, newest first."""
        return await self._read(
            charging.list_sessions,
            user_id=user_id,
            station_id=station_id,
            start=start,
            end=end,
            limit=limit,
        )

    async def readings(self, session: Session) -> list[tuple[Reading, Decimal | None]]:
        """Return the readings of a session, oldest first, with the price then in force."""
        return await self._read(charging.readings_of, session)

    async def user_totals(self, since: datetime) -> dict[str, UserTotals]:
        """Return what each user charged in the sessions that started since then."""
        return await self._read(charging.user_totals, since)

    async def keep_orphan(
        self,
        *,
        station_id: str,
        transaction_id: int | None,
        reference: str | None = None,
        at: datetime,
        meter_stop_wh: int | None,
        token: Token | None,
        reason: str | None,
    ) -> bool:
        """Put the end of an unknown transaction aside; return `False` where it was there.

        The station named it by `transaction_id` or, of its own, by `reference`.
        """
        orphan = Orphan(
            station_id=station_id,
            transaction_id=transaction_id,
            reference=reference,
            at=at,
            meter_stop_wh=meter_stop_wh,
            token_key=self._token_key(token),
            token_last4=None if token is None else token.last4,
            reason=reason,
        )
        return await self._run(charging.add_orphan, orphan)

    async def orphans(self) -> list[Orphan]:
        """Return the ends that were put aside, in the order in which they came."""
        return await self._read(charging.list_orphans)

    # --- people -----------------------------------------------------------------------------------

    async def tap(
        self, station_id: str, token: Token, at: datetime, authorization: Authorization
    ) -> None:
        """Record that a token was shown, and the answer."""
        seen = SeenToken(
            station_id=station_id,
            at=at,
            token_key=self.token_key(token),
            token_last4=token.last4,
            status=authorization.status,
            reason=authorization.reason,
            user_id=authorization.user_id,
        )
        await self._do(lambda connection: people.add_tap(connection, seen), durable=False)

    async def refusals(self, since: datetime | None = None, limit: int = 100) -> list[SeenToken]:
        """Return the taps that were not accepted, newest first."""
        return await self._read(people.refusals, since, limit)

    async def remember_user(self, user_id: str, name: str) -> None:
        """Store the name of an active user."""
        await self._run(people.remember_user, user_id, name)

    async def deactivate_user(self, user_id: str, at: datetime) -> None:
        """Note that a user may charge no more; name and history stay."""
        await self._run(people.deactivate_user, user_id, at)

    async def users(self) -> dict[str, LedgerUser]:
        """Return all users that were ever remembered, by id."""
        return await self._read(people.list_users)

    # --- prices -----------------------------------------------------------------------------------

    async def price_changed(self, at: datetime, price_per_kwh: Decimal | None) -> None:
        """Note the price from now on; `None` for unknown. The same price again changes nothing."""
        await self._run(prices.price_changed, at, price_per_kwh)

    async def price_at(self, at: datetime) -> Decimal | None:
        """Return the price per kWh at that time, `None` where it is not known."""
        return await self._read(prices.price_at, at)

    # --- demand -----------------------------------------------------------------------------------

    async def add_site_limit(self, limit: SiteLimit) -> int:
        """Book a limit that was asked for; return its id."""
        return await self._run(demand.add, limit)

    async def save_site_limit(self, limit: SiteLimit) -> None:
        """Book what became of a limit."""
        await self._run(demand.save, limit)

    async def site_limits(self, start: datetime | None, limit: int) -> list[SiteLimit]:
        """Return limits that began since `start`, without it those not released; newest first."""
        return await self._read(demand.since, start, limit)

    # --- backup -----------------------------------------------------------------------------------

    async def snapshot(self) -> Path:
        """Write a consistent copy beside the ledger for a backup; see `snapshot.py`."""
        return await self._beside(snapshot.take)

    async def drop_snapshot(self) -> None:
        """Remove the copy. This works on a closed ledger, too."""
        await self._beside(snapshot.drop)

    async def _beside[R](self, work: Callable[[Path], R]) -> R:
        """Work on the files on another thread, so that the ledger goes on."""
        try:
            return await asyncio.to_thread(work, self.path)
        except (OSError, sqlite3.Error) as err:
            raise LedgerError(str(err)) from err
