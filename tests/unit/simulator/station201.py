"""Stations of OCPP 2.0.1 and 2.1 that connect to a scripted server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from simulator import Clock, Config201, Ocpp201Station

from .conftest import FAST
from .csms import Csms

type Dial = Callable[..., Any]

EVERY_SECOND = {"SampledDataCtrlr.TxUpdatedInterval": "1"}
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
CARD = "04AABBCC"


@pytest.fixture
async def csms() -> AsyncIterator[Csms]:
    async with Csms() as running:
        yield running


@pytest.fixture
async def dial(csms: Csms) -> AsyncIterator[Dial]:
    """Return a function that starts a station and waits until the server has accepted it."""
    async with AsyncExitStack() as stack:

        async def start(
            *, ready: bool = True, clock: Clock | None = None, speed: float = 1.0, **options: Any
        ) -> Ocpp201Station:
            config = Config201("SIM-1", **{**FAST, "step_s": 0.01, **options})
            station = Ocpp201Station(config, csms.url, clock=clock or Clock(speed))
            await stack.enter_async_context(station)
            if ready:
                await station.wait_for(lambda s: s.ready)
            return station

        yield start


async def charging(dial: Dial, **options: Any) -> Ocpp201Station:
    """Return a station with a transaction that the server knows of."""
    station: Ocpp201Station = await dial(**options)
    await station.plug(1, "family")
    assert await station.tap(CARD) == "started"
    await station.wait_for(lambda s: not len(s.outbox))
    return station


def running_id(station: Ocpp201Station, evse: int = 1) -> str:
    running = station.evse(evse).transaction
    assert running is not None
    return running.transaction_id


def token(value: str = CARD, kind: str = "ISO14443") -> dict[str, str]:
    return {"idToken": value, "type": kind}


def profile(
    purpose: str = "TxProfile",
    limit: float = 10,
    number: int = 1,
    *,
    level: int = 0,
    kind: str = "Relative",
    transaction_id: str | None = None,
    schedule: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    one = {
        "id": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
                **(schedule or {}),
            }
        ],
        **more,
    }
    return one if transaction_id is None else {**one, "transactionId": transaction_id}
