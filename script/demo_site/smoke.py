"""The smoke run: all of the demo by itself, with a crash in the middle, and the books compared."""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
import json
from pathlib import Path
from random import Random
import sys
import time
import traceback
from typing import Any, Self

from simulator.cars import CARS

from . import newcomer
from .api import Api
from .boxes import Box, goe, keba
from .broker import Broker
from .compare import Ledger, compare, compare_plug_ins, read_ledger
from .home import Home
from .place import Place
from .ports import HTTP_PORT, MQTT_PORT, OCPP_PORT, claim_port
from .waiting import TooLateError, until
from .wallbox import Wallbox

USER = "Anna"
SPEED = 60.0
"""How much faster the car charges; messages and their intervals keep the real time."""

BOX_SPEED = 10.0
"""The same for those without OCPP: what leaps further than a box can deliver is not believed."""

MAIN_FUSE_A = 63
"""Enough for all: who shares what is of other tests."""

KILL_BETWEEN_S = (1.0, 13.0)
"""After the charge began. The station sends a reading every ten seconds."""

MEASURED = (
    *("ha_version", "seed", "setup_s", "start_s", "stations", "sessions"),
    *("refused_tokens", "survived_kill", "energy_error_wh", "energy_errors_wh"),
)

UNPROVEN = "nobody has shown yet that it obeys"

type Json = Any


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens in a run; all of it follows from the seed."""

    station: str
    card: str
    stranger: str
    car: str
    soc: float
    refuse_after_s: float
    kill_after_s: float

    @classmethod
    def of(cls, seed: int) -> Self:
        """Make the plan of a seed."""
        random = Random(seed)
        card, stranger = random.sample(range(2**32), 2)
        kill_after_s = random.uniform(*KILL_BETWEEN_S)
        # Those that take what they are offered for as long as the run lasts.
        cars = sorted(name for name, model in CARS.items() if model.battery_wh >= 30_000)
        return cls(
            station=f"SMOKE-{random.randrange(10**6):06}",
            card=f"{card:08X}",
            stranger=f"{stranger:08X}",
            car=random.choice(cars),
            soc=round(random.uniform(0.1, 0.4), 2),
            refuse_after_s=random.uniform(0.0, kill_after_s * 0.8),
            kill_after_s=kill_after_s,
        )


@dataclass(slots=True)
class Result:
    """What was measured, and what was found wrong. `None` stands for what was never reached."""

    seed: int
    ha_version: str | None = None
    setup_s: float | None = None
    start_s: float | None = None
    stations: list[Json] = field(default_factory=list)
    sessions: list[Json] = field(default_factory=list)
    refused_tokens: int | None = None
    survived_kill: bool = False
    energy_error_wh: int | None = None
    energy_errors_wh: dict[str, int] = field(default_factory=dict)
    """The same by protocol."""
    price: Decimal = Decimal(0)
    """What the entity said that a kilowatt-hour costs."""
    failures: list[str] = field(default_factory=list)

    def check(self, right: object, text: str) -> bool:
        """Note what is wrong unless it is right."""
        if not right:
            self.failures.append(text)
        return bool(right)

    def line(self) -> str:
        """Return the measurements as one line of JSON."""
        return json.dumps({name: getattr(self, name) for name in MEASURED})


async def main(seed: int, protocol: str, begun: float) -> int:
    """Do the run, print what was measured as the last line, and return the exit code."""
    result = Result(seed)
    try:
        with Place.claim("smoke") as place:
            await SmokeRun(Plan.of(seed), result, place.folder, protocol).run(begun)
    except Exception as error:  # noqa: BLE001 - whatever it was, the run has failed
        result.failures.append(f"{type(error).__name__}: {error}")
        traceback.print_exc()
    for failure in result.failures:
        _say(f"FAILED: {failure}")
    print(result.line(), flush=True)
    return 1 if result.failures else 0


class SmokeRun:
    """One run: a house, a station, and what happens between them."""

    def __init__(self, plan: Plan, result: Result, folder: Path, protocol: str) -> None:
        """Prepare a run in an empty folder, with a station that speaks this version of OCPP."""
        self.protocol = protocol
        self.plan = plan
        self.result = result
        self.home = Home(folder, claim_port(HTTP_PORT), "Smoke run")
        self.wallbox = Wallbox(
            *(folder, plan.station, claim_port(OCPP_PORT)),
            *("--protocol", protocol, "--speed", str(SPEED), "--seed", str(result.seed)),
        )
        self.broker = Broker(folder, claim_port(MQTT_PORT))
        self.boxes = [
            keba(folder, "Carport", "SMOKE-KEBA", BOX_SPEED),
            goe(folder, "Driveway", "123456", BOX_SPEED, self.broker),
        ]

    async def run(self, begun: float) -> None:
        """Do all of it; `begun` is when the setting up began, in seconds since 1970."""
        home, wallbox, result = self.home, self.wallbox, self.result
        try:
            home.prepare()
            result.setup_s = round(time.time() - begun, 2)
            _say(f"Set up in {result.setup_s} s. {self.plan}")
            # It dials from the beginning, as a station on a wall does.
            await self.broker.start()
            for one in self._simulated:
                await one.start()
            result.start_s = round(await home.start(), 2)
            _say(f"Home Assistant runs after {result.start_s} s")
            async with home.api() as api:
                result.ha_version = (await api.get("/api/config"))["version"]
                entry = await self.set_up(api)
                await self.prove(api, entry)
                await self.charge(api)
                await self.leave(api, entry)
            books = await wallbox.books()
            of_boxes = {box.protocol: await box.wallbox.books() for box in self.boxes}
        finally:
            await home.process.stop()
            for one in self._simulated:
                await one.process.stop()
            await self.broker.process.stop()
        result.check(home.process.code == 0, f"Home Assistant ended with {home.process.code}")
        for problem in home.problems():
            # Which is said of each box before its control test.
            result.check(UNPROVEN in problem, f"in the log: {problem}")
        ledger = read_ledger(home.ledger)
        self.judge(books, ledger)
        self.judge_boxes(of_boxes, ledger)

    @property
    def _simulated(self) -> list[Wallbox]:
        return [self.wallbox, *(box.wallbox for box in self.boxes)]

    async def set_up(self, api: Api) -> str:
        """Add the site, the station that dialled in, and a user with a card."""
        self.result.price = Decimal((await api.states())[newcomer.PRICE_ENTITY]["state"])
        entry = await newcomer.add_site(api, "Smoke run", self.wallbox.port, MAIN_FUSE_A)
        await newcomer.set_price(api, entry, MAIN_FUSE_A)
        await newcomer.confirm_station(api, self.plan.station, "Garage")
        await self.wallbox.wait_for(registration="Accepted")
        await newcomer.add_user(api, entry, USER, lambda: self.wallbox.tap(self.plan.card))
        _say(f"The station is confirmed, {USER} has a card")
        return entry

    async def prove(self, api: Api, entry: str) -> None:
        """Add the boxes without OCPP, and show with the cars that charge there that they obey."""
        await self.broker.add(api)
        for box in self.boxes:
            await box.add(api, entry)
        await asyncio.gather(*(self._prove(api, box) for box in self.boxes))

    async def _prove(self, api: Api, box: Box) -> None:
        await box.prove(api)
        await box.leave(api)
        _say(f"{box.name} has shown by {box.protocol} that it obeys: {box.findings}")

    async def charge(self, api: Api) -> None:
        """Charge, refuse a card, and kill Home Assistant in the middle."""
        plan, result, wallbox = self.plan, self.result, self.wallbox
        for box in self.boxes:
            await box.charge(api, USER)
        await wallbox.plug(plan.car, soc=plan.soc)
        tapped = await wallbox.tap(plan.card)
        result.check(tapped == "started", f"the card of {USER} led to {tapped}, not to a charge")
        await wallbox.charges()
        await until(lambda: self._open(api), "the session of the charge")
        _say("All cars charge")

        await asyncio.sleep(plan.refuse_after_s)
        tapped = await wallbox.tap(plan.stranger)
        result.check(tapped == "refused", f"an unknown card led to {tapped}, not to a refusal")
        await asyncio.sleep(plan.kill_after_s - plan.refuse_after_s)
        before = await self._all_open(api)
        await api.disconnect()
        await self.home.process.kill()
        _say(f"Home Assistant was killed {plan.kill_after_s:.2f} s into the charge")
        _say(f"It runs again after {await self.home.start():.2f} s")

        await wallbox.wait_for(online=True, registration="Accepted")
        known = len((await wallbox.books())["readings"])
        await until(lambda: self._has(known + 1), "a reading after the crash", 40)
        result.survived_kill = True
        for (protocol, old), new in zip(
            before.items(), (await self._grown(api, before)).values(), strict=True
        ):
            both = f"{protocol}: before {old}, after {new}"
            same = result.check(old["id"] == new["id"], f"another session goes on: {both}")
            grows = new["energy_wh"] > old["energy_wh"]
            if not result.check(grows, f"the session does not grow: {both}") or not same:
                result.survived_kill = False

    async def leave(self, api: Api, entry: str) -> None:
        """Pull the plug, and note what Home Assistant tells about all of it."""
        await self.wallbox.unplug()
        await self.wallbox.wait_for(status="Available", queued=0)
        await asyncio.gather(*(box.leave(api) for box in self.boxes))
        await until(lambda: _all_closed(api), "the end of the sessions")
        _say("The cars are gone")
        names = {box.name: box.protocol for box in self.boxes}
        self.result.sessions = [
            {
                "protocol": names.get(session["station"], f"ocpp{self.protocol}"),
                "user": session["user"],
                "energy_wh": session["energy_wh"],
                "cost": None if session["cost"] is None else float(session["cost"]),
                "currency": session["currency"],
                "status": session["status"],
            }
            for session in reversed(await newcomer.sessions(api))
        ]
        diagnostics = await api.get(f"/api/diagnostics/config_entry/{entry}")
        stations = [
            {"protocol": station["protocol"], "evses": len(station["evses"])}
            for station in diagnostics["data"]["stations"] + diagnostics["data"]["declared"]
        ]
        # The one that dialled in comes first, the others as they were added.
        order = [f"ocpp{self.protocol}", *names.values()]
        self.result.stations = sorted(stations, key=lambda one: order.index(one["protocol"]))

    def judge(self, books: Json, ledger: Ledger) -> None:
        """Compare everything that was written down by either side."""
        plan, check = self.plan, self.result.check
        protocol = f"ocpp{self.protocol}"
        refused = [tap for tap in ledger.taps if tap["reason"] == "unknown_token"]
        self.result.refused_tokens = len(refused)
        check(len(refused) == 1, f"the ledger has {len(refused)} refused cards, not 1")
        strangers = [line for line in books["refused"] if line["card"] == plan.stranger]
        check(len(strangers) == 1, f"the station refused the stranger {len(strangers)} times")

        ledger = ledger.of(plan.station)
        comparison = compare({plan.station: books}, ledger)
        self.result.energy_error_wh = comparison.energy_error_wh
        self.result.energy_errors_wh[protocol] = comparison.energy_error_wh
        for difference in comparison.differences:
            check(False, difference)
        check(ledger.integrity == "ok", f"the ledger's file is damaged: {ledger.integrity}")
        for violation in books["violations"]:
            check(False, f"against the protocol: {violation['kind']}, {violation['detail']}")

        sessions, charges = len(ledger.sessions), len(books["transactions"])
        check(sessions == charges == 1, f"{charges} charges became {sessions} sessions")
        stations = self.result.stations
        expected = [
            {"protocol": one, "evses": 1} for one in (protocol, *(b.protocol for b in self.boxes))
        ]
        check(stations == expected, f"wrong stations: {stations}")
        told = [one for one in self.result.sessions if one["protocol"] == protocol]
        check(len(told) == 1, f"told are {len(told)} sessions")
        for session in told:
            self._check_told(session, sum(row["energy_wh"] for row in ledger.sessions))

    def judge_boxes(self, books: dict[str, Json], ledger: Ledger) -> None:
        """Compare the books of the boxes, by protocol: the control test, and a charge by a user."""
        for box in self.boxes:
            comparison = compare_plug_ins(box.station_id, books[box.protocol], ledger)
            self.result.energy_errors_wh[box.protocol] = comparison.energy_error_wh
            known = self.result.energy_error_wh or 0
            self.result.energy_error_wh = known + comparison.energy_error_wh
            for difference in comparison.differences:
                self.result.check(False, difference)
            told = [one for one in self.result.sessions if one["protocol"] == box.protocol]
            users = [one["user"] for one in told]
            self.result.check(users == [None, USER], f"{box.protocol}: charged have {users}")
            for session in told:
                if session["user"] is not None:
                    rows = ledger.of(box.station_id).sessions
                    newest = max(rows, key=lambda row: row["started_at"])
                    self._check_told(session, newest["energy_wh"])

    def _check_told(self, session: Json, energy_wh: int) -> None:
        """Check what Home Assistant tells of a charge of the user."""
        right = {
            "protocol": session["protocol"],
            "user": USER,
            "energy_wh": energy_wh,
            "cost": float(self.result.price * session["energy_wh"] / 1000),
            "currency": "EUR",
            "status": "closed",
        }
        self.result.check(session == right, f"told is {session}, but right is {right}")
        self.result.check(session["energy_wh"] > 0, "the session has no energy")

    async def _open(self, api: Api) -> Json:
        """Return the open session of the station that speaks OCPP."""
        return await _open_session(api, self.plan.station)

    async def _all_open(self, api: Api) -> dict[str, Json]:
        """Return the open sessions by protocol."""
        found = {f"ocpp{self.protocol}": await until(lambda: self._open(api), "the session")}
        for box in self.boxes:
            found[box.protocol] = await until(
                lambda box=box: box.session(api),  # type: ignore[misc]
                f"the session of {box.name}",
            )
        return found

    async def _grown(self, api: Api, before: dict[str, Json]) -> dict[str, Json]:
        """Return the open sessions once all have grown, or as they are after a while."""

        async def look() -> dict[str, Json] | None:
            now = await self._all_open(api)
            grown = all(now[key]["energy_wh"] > before[key]["energy_wh"] for key in before)
            return now if grown else None

        try:
            return await until(look, "energy in all sessions", 40)
        except TooLateError:
            return await self._all_open(api)

    async def _has(self, count: int) -> bool | None:
        """Whether so many readings have been taken by Home Assistant."""
        readings = (await self.wallbox.books())["readings"]
        return sum(one["state"] == "confirmed" for one in readings) >= count or None


async def _open_session(api: Api, station: str) -> Json:
    for one in await newcomer.sessions(api):
        if one["status"] == "open" and one["station_id"] == station:
            return one
    return None


async def _all_closed(api: Api) -> bool | None:
    return all(one["status"] == "closed" for one in await newcomer.sessions(api)) or None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
