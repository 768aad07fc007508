"""The other side of the tests: a station that does what a test tells it, and a site that notes."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
import ssl
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
import pytest

from custom_components.forecourt.core.model.events import StationEvent
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.reservation import ReservationStatus
from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
)
from custom_components.forecourt.stations.base import (
    Station,
    TransactionAnswer,
    TransactionEnd,
    TransactionStart,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, passwords

type Payload = dict[str, Any]

ACCEPTED = Authorization(
    status=AuthorizationStatus.ACCEPTED, reason=AuthorizationReason.KNOWN_USER, group="family"
)
INVALID = Authorization(
    status=AuthorizationStatus.INVALID, reason=AuthorizationReason.UNKNOWN_TOKEN
)
SETTINGS = {
    "NumberOfConnectors": "1",
    "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
    "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
    "MeterValueSampleInterval": "10",
    "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,Current.Import",
}


class Watch:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Site:
    """Notes what stations report; `hold` keeps every awaited answer back."""

    def __init__(self) -> None:
        self.changes: list[tuple[bool, StationInfo]] = []
        self.statuses: list[tuple[EvseId, EvseStatus, datetime, str | None]] = []
        self.reports: list[tuple[EvseId, tuple[Reading, ...], int | None]] = []
        self.taps: list[Token] = []
        self.starts: list[TransactionStart] = []
        self.ends: list[TransactionEnd] = []
        self.order: list[str] = []
        self.events: list[StationEvent] = []
        self.reservations: list[tuple[str, int, ReservationStatus]] = []
        self.references: dict[str, int] = {}
        self.booked_on: int | None = None
        self.authorization = ACCEPTED
        self.end_authorization: Authorization | None = None
        self.failure: Exception | None = None
        self.released = asyncio.Event()
        self.released.set()

    def station_changed(self, station: Station) -> None:
        self.changes.append((station.online, station.info))

    async def status_changed(
        self, evse: EvseId, status: EvseStatus, at: datetime, error: str | None = None
    ) -> None:
        await self._note("status")
        self.statuses.append((evse, status, at, error))

    async def report(
        self, evse: EvseId, readings: tuple[Reading, ...], transaction_id: int | None
    ) -> int | None:
        await self._note("report")
        self.reports.append((evse, readings, transaction_id))
        return self.booked_on

    async def authorize(self, station_id: str, token: Token, at: datetime) -> Authorization:
        await self._note("authorize")
        self.taps.append(token)
        return self.authorization

    async def transaction_started(self, start: TransactionStart) -> TransactionAnswer:
        await self._note("start")
        self.starts.append(start)
        if start.reference is not None:
            self.references[start.reference] = len(self.starts)
        return TransactionAnswer(transaction_id=len(self.starts), authorization=self.authorization)

    async def transaction_id(self, station_id: str, reference: str) -> int | None:
        return self.references.get(reference)

    async def reference(self, transaction_id: int) -> str | None:
        return next((name for name, key in self.references.items() if key == transaction_id), None)

    def reservation_changed(
        self, station_id: str, reservation_id: int, status: ReservationStatus
    ) -> None:
        self.reservations.append((station_id, reservation_id, status))

    def happened(self, event: StationEvent) -> None:
        self.events.append(event)

    async def transaction_ended(self, end: TransactionEnd) -> Authorization | None:
        await self._note("end")
        self.ends.append(end)
        return self.end_authorization

    async def _note(self, what: str) -> None:
        await self.released.wait()
        if self.failure is not None:
            raise self.failure
        self.order.append(what)


class Peer:
    """A station: `async with Peer(central, "CP1") as peer`. Reads, and answers by `answers`.

    An answer is a payload, a function of the request's payload, `None` for silence, or a
    text for a CALLERROR with that code.
    """

    def __init__(
        self,
        central: CentralSystem,
        identity: str,
        *,
        password: bytes | str | None = None,
        protocols: tuple[str, ...] = ("ocpp1.6",),
        autoping: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._central = central
        self._identity = identity
        self._url = f"http://127.0.0.1:{central.port}/{identity}"
        if tls is not None:
            self._url = f"https://127.0.0.1:{central.tls_port}/{identity}"
        self._tls = tls
        self._protocols = protocols
        self._autoping = autoping
        self._headers = {}
        if password is not None:
            secret = password.encode() if isinstance(password, str) else password
            encoded = base64.b64encode(identity.encode() + b":" + secret).decode()
            self._headers["Authorization"] = f"Basic {encoded}"
        self._count = 0
        self._waiting: dict[Any, asyncio.Future[list[Any]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.settings = dict(SETTINGS)
        self.answers: dict[str, Any] = {
            "GetConfiguration": self._configuration,
            "ChangeConfiguration": self._configure,
        }
        self.asked: list[tuple[str, Payload]] = []
        self.frames: list[str] = []
        self.stray: list[Any] = []
        self.closed = asyncio.Event()
        self.ws: ClientWebSocketResponse

    def calls(self, action: str) -> list[Payload]:
        """What the central system asked."""
        return [payload for name, payload in self.asked if name == action]

    async def until(self, condition: Callable[[], object], timeout_s: float = 5) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def send(self, frame: str | list[Any]) -> None:
        await self.ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def call(
        self, action: str, payload: Any = None, *, message_id: str | None = None
    ) -> list[Any]:
        """Call and return the whole answering frame."""
        self._count += 1
        message_id = message_id or f"m{self._count}"
        return await self.raw([2, message_id, action, payload or {}], message_id)

    async def raw(self, frame: str | list[Any], message_id: Any) -> list[Any]:
        """Send any frame and return the one that answers the id."""
        future = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        await self.send(frame)
        async with asyncio.timeout(5):
            answer: list[Any] = await future
        return answer

    async def boot(self, **changes: Any) -> Payload:
        payload = {"chargePointVendor": "Acme", "chargePointModel": "Box", **changes}
        frame = await self.call("BootNotification", payload)
        answer: Payload = frame[2]
        return answer

    async def ready(self) -> Self:
        """Boot and wait for the end of the set-up."""
        assert (await self.boot())["status"] == "Accepted"
        await self.set_up()
        return self

    async def set_up(self) -> None:
        """Wait until the central system has asked and told all that it wants."""
        connection = self._central._connections[self._identity]
        await self.until(
            lambda: not any(task.get_name().endswith("is set up") for task in connection._tasks)
        )

    def impatient(self) -> None:
        """From now on the central system waits for an answer only a moment."""
        rpc = self._central._connections[self._identity]._rpc
        rpc._timing = replace(rpc._timing, call_s=0.05)

    async def start(self, at: datetime | None = None, **changes: Any) -> Payload:
        payload = {"connectorId": 1, "idTag": "04AABB", "meterStart": 1000, **changes}
        payload.setdefault("timestamp", stamp(at))
        frame = await self.call("StartTransaction", payload)
        assert frame[0] == 3, frame
        answer: Payload = frame[2]
        return answer

    async def _read(self) -> None:
        async for message in self.ws:
            if message.type is not WSMsgType.TEXT:
                continue
            self.frames.append(message.data)
            frame = json.loads(message.data)
            if frame[0] == 2:
                self.asked.append((frame[2], frame[3]))
                await self._answer(*frame[1:])
            elif frame[1] in self._waiting:
                self._waiting.pop(frame[1]).set_result(frame)
            else:
                self.stray.append(frame)
            self._news.set()
        self.closed.set()
        self._news.set()

    async def _answer(self, message_id: str, action: str, payload: Payload) -> None:
        answer = self.answers.get(action, {"status": "Accepted"})
        if callable(answer):
            answer = answer(payload)
        if isinstance(answer, str):
            await self.send([4, message_id, answer, "no", {"echo": payload}])
        elif answer is not None:
            await self.send([3, message_id, answer])

    def _configuration(self, payload: Payload) -> Payload:
        known = [
            {"key": key, "readonly": False, "value": self.settings[key]}
            for key in payload["key"]
            if key in self.settings
        ]
        return {
            "configurationKey": known,
            "unknownKey": [key for key in payload["key"] if key not in self.settings],
        }

    def _configure(self, payload: Payload) -> Payload:
        self.settings[payload["key"]] = payload["value"]
        return {"status": "Accepted"}

    async def __aenter__(self) -> Self:
        self._session = ClientSession()
        try:
            self.ws = await self._session.ws_connect(
                self._url,
                protocols=self._protocols,
                headers=self._headers,
                ssl=self._tls or True,
                autoping=self._autoping,
                max_msg_size=0,
            )
        except BaseException:
            await self._session.close()
            raise
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.ws.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._session.close()

    async def vanish(self) -> None:
        """Stop reading without telling anybody."""
        assert self._reader is not None
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


def cheap_hash(password: str) -> str:
    """A password hash at a price that tests can pay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_SCRYPT_LOG_N", 4)
        return passwords.hash_password(password)


def stamp(at: datetime | None = None) -> str:
    return (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
