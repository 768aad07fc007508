"""The usual central system of the ocpp package, which books nothing: what one can hardly beat.

Run as a program of its own: PORT. It is the example of that package's documentation, with the
answers that a charge needs.
"""

import asyncio
from contextlib import suppress
import sys
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ocpp.routing import on  # type: ignore[import-untyped]
from ocpp.v16 import ChargePoint, call_result  # type: ignore[import-untyped]
from ocpp.v16.datatypes import IdTagInfo  # type: ignore[import-untyped]
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus  # type: ignore[import-untyped]

from .frames import now, time_text

ACCEPTED = IdTagInfo(status=AuthorizationStatus.accepted)


class Acknowledging(ChargePoint):  # type: ignore[misc]
    """Says yes to everything."""

    @on(Action.boot_notification)  # type: ignore[untyped-decorator]
    def on_boot(self, **_: Any) -> call_result.BootNotification:
        """Accept the station."""
        return call_result.BootNotification(
            current_time=time_text(now()), interval=300, status=RegistrationStatus.accepted
        )

    @on(Action.status_notification)  # type: ignore[untyped-decorator]
    def on_status(self, **_: Any) -> call_result.StatusNotification:
        """Take note."""
        return call_result.StatusNotification()

    @on(Action.start_transaction)  # type: ignore[untyped-decorator]
    def on_start(self, **_: Any) -> call_result.StartTransaction:
        """Give every charge the same id."""
        return call_result.StartTransaction(transaction_id=1, id_tag_info=ACCEPTED)

    @on(Action.meter_values)  # type: ignore[untyped-decorator]
    def on_meter_values(self, **_: Any) -> call_result.MeterValues:
        """Take note."""
        return call_result.MeterValues()

    @on(Action.stop_transaction)  # type: ignore[untyped-decorator]
    def on_stop(self, **_: Any) -> call_result.StopTransaction:
        """Take note."""
        return call_result.StopTransaction(id_tag_info=ACCEPTED)


async def serve_station(connection: ServerConnection) -> None:
    """Serve one station."""
    assert connection.request is not None  # noqa: S101 - it is there when this is called
    with suppress(ConnectionClosed):
        await Acknowledging(connection.request.path.strip("/"), connection).start()


async def main() -> None:
    """Listen until the end."""
    port = int(sys.argv[1])
    subprotocols = [Subprotocol("ocpp1.6")]
    async with serve(serve_station, "127.0.0.1", port, subprotocols=subprotocols):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
