"""What a browser, an app or a script asks of Home Assistant: its REST and WebSocket API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import itertools
from typing import Any

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse

type Json = Any

TIMEOUT_S = 60


class ApiError(Exception):
    """Home Assistant refused what it was asked; the text is its answer."""


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncIterator[Api]:
    """Return a logged-in client for the time of a `with`."""
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession(
        url, headers=headers, timeout=ClientTimeout(total=TIMEOUT_S)
    ) as session:
        api = Api(session, token)
        try:
            yield api
        finally:
            await api.disconnect()


class Api:
    """A logged-in client; get it from `connect`."""

    def __init__(self, session: ClientSession, token: str) -> None:
        """Use this session; the WebSocket is opened with the first command."""
        self._session = session
        self._token = token
        self._socket: ClientWebSocketResponse | None = None
        self._ids = itertools.count(1)
        self._turn = asyncio.Lock()

    async def get(self, path: str) -> Json:
        """Return what is there."""
        return await self._request("GET", path, None)

    async def post(self, path: str, body: Json = None) -> Json:
        """Send something and return the answer."""
        return await self._request("POST", path, body)

    async def delete(self, path: str) -> Json:
        """Delete something and return the answer."""
        return await self._request("DELETE", path, None)

    async def command(self, kind: str, **fields: Json) -> Json:
        """Send a WebSocket command and return its result."""
        async with self._turn:
            socket = await self._connected()
            number = next(self._ids)
            await socket.send_json({"id": number, "type": kind, **fields})
            while True:
                answer = await socket.receive_json(timeout=TIMEOUT_S)
                if answer.get("id") != number or answer["type"] != "result":
                    continue
                if not answer["success"]:
                    raise ApiError(f"{kind}: {answer['error']['message']}")
                return answer["result"]

    async def action(
        self, name: str, data: Json = None, target: Json = None, *, answers: bool = False
    ) -> Json:
        """Perform an action such as `switch.turn_on` and return its response, if it gives one."""
        domain, _, service = name.partition(".")
        fields: dict[str, Json] = {
            "domain": domain,
            "service": service,
            "service_data": data or {},
            "return_response": answers,
        }
        if target is not None:
            fields["target"] = target
        result = await self.command("call_service", **fields)
        return result.get("response") if answers else None

    async def states(self) -> dict[str, Json]:
        """Return every entity's state object, by entity id."""
        return {state["entity_id"]: state for state in await self.get("/api/states")}

    async def disconnect(self) -> None:
        """Let go of the WebSocket; the next command opens another."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def _connected(self) -> ClientWebSocketResponse:
        if self._socket is None or self._socket.closed:
            socket = await self._session.ws_connect("/api/websocket", max_msg_size=0)
            await socket.receive_json(timeout=TIMEOUT_S)  # auth_required
            await socket.send_json({"type": "auth", "access_token": self._token})
            answer = await socket.receive_json(timeout=TIMEOUT_S)
            if answer["type"] != "auth_ok":
                raise ApiError(f"log-in: {answer.get('message')}")
            self._socket = socket
        return self._socket

    async def _request(self, method: str, path: str, body: Json) -> Json:
        async with self._session.request(method, path, json=body) as response:
            if response.status >= 400:
                raise ApiError(f"{method} {path}: {response.status} {await response.text()}")
            if response.content_type != "application/json":
                return await response.text()
            return await response.json()
