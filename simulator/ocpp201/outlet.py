"""One EVSE: the car on it, who may charge, the transaction, and the state of its connectors.

A transaction begins when a TxStartPoint is reached and ends when a TxStopPoint that was reached is
left (OCPP 2.0.1 E01 to E10). What happens at the EVSE is told as TransactionEvents in between.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
import uuid

from .. import books
from ..cars import Car
from ..clock import wire_time
from ..frames import Payload
from ..plant import MIN_OFFER_A, Evse, PlugState
from .events import Events, Queue
from .internals import Internals, Permit, Rhythm, Transaction
from .notices import notify_event
from .profiles import Charge, ProfileError
from .readings import Readings
from .reservations import Reservations
from .snapshot import snapshot
from .tokens import NOBODY, Token
from .variables import Place

_PATIENCE_S = 10.0
"""So long a car may take to begin before it is said to be what holds up, plant seconds."""
_CHARGING = (PlugState.C, PlugState.D)


class Connector:
    """One of the cables or sockets of an EVSE."""

    def __init__(self) -> None:
        """Make one in service."""
        self.operative = True
        self.error_code = "NoError"


class Outlet:
    """An EVSE of the station, numbered from 1."""

    def __init__(
        self, internals: Internals, number: int, queue: Queue, reservations: Reservations
    ) -> None:
        """Make an EVSE that is in service, with no car."""
        config = internals.config
        self._in = internals
        self.number = number
        self.evse = Evse(
            phases=config.phases,
            max_current_a=config.max_current_a,
            voltage_v=config.voltage_v,
            register_wh=config.register_wh,
        )
        """The power side."""
        self.readings = Readings(internals, number, self.evse)
        self.events = Events(internals, queue, self.readings, self._answered)
        self._reservations = reservations
        self.connectors = {index: Connector() for index in range(1, config.connectors + 1)}
        self.plugged: int | None = None
        """The connector that is in a car."""
        self.transaction: Transaction | None = None
        self.permit: Permit | None = None
        self.operative = True
        self.station_operative = True
        self.becomes_inoperative: list[int | None] = []
        """Connectors (None: the EVSE) that go out of service with the end of the transaction."""
        self._points: set[str] = set()
        self._energised_at = 0.0
        self._plug_in: books.PlugIn | None = None

    # --- what is so -------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The worst of its connectors' ConnectorStatus that matters: the one in use, or best."""
        if self.plugged is not None:
            return self.connector_status(self.plugged)
        found = [self.connector_status(index) for index in self.connectors]
        return next((one for one in found if one == "Available"), found[0])

    def connector_status(self, index: int) -> str:
        """The ConnectorStatus of a connector (OCPP 2.0.1 part 2, 3.21)."""
        connector = self.connectors[index]
        if connector.error_code != "NoError":
            return "Faulted"
        in_use = self.transaction is not None and index in (self.plugged, self._only)
        if not in_use and not self.in_service(index):
            return "Unavailable"
        if self.plugged == index:
            return "Occupied"
        if self._reservations.keeps(self) and self.evse.car is None and self.transaction is None:
            return "Reserved"
        return "Available"

    def in_service(self, index: int) -> bool:
        """Whether nobody has taken a connector out of service."""
        return self.station_operative and self.operative and self.connectors[index].operative

    @property
    def usable(self) -> bool:
        """Whether somebody may be allowed to charge here."""
        free = [index for index in self.connectors if self.in_service(index)]
        healthy = all(one.error_code == "NoError" for one in self.connectors.values())
        early = self._in.variables.flag("TxCtrlr.TxBeforeAcceptedEnabled", default=True)
        return (
            healthy
            and (early or self._in.accepted())
            and not self._in.resetting
            and self.permit is None
            and (self.plugged in free if self.plugged is not None else bool(free))
        )

    @property
    def charge(self) -> Charge | None:
        """The transaction as charging profiles see it."""
        running = self.transaction
        return None if running is None else Charge(running.started, running.transaction_id)

    @property
    def refused(self) -> bool:
        """Whether the transaction goes on without energy, because the server refused its token."""
        return self.transaction is not None and self.transaction.refused

    @property
    def seniority(self) -> int:
        """Grows with the start of the transaction; 0 without one."""
        return 0 if self.transaction is None else self.transaction.record.number

    @property
    def charging_state(self) -> str:
        """The ChargingState of OCPP 2.0.1 part 2, 3.15."""
        if self.evse.car is None:
            return "Idle"
        if self.permit is None:
            return "EVConnected"
        if self.evse.state in _CHARGING:
            return "Charging"
        held = self.refused or self.evse.faulted or not self.evse.available
        if held or self.evse.limit_a < MIN_OFFER_A:
            return "SuspendedEVSE"
        running = self.transaction
        begun = running is not None and running.charged_s > 0
        patient = self._in.clock.plant() < self._energised_at + _PATIENCE_S
        return "EVConnected" if patient and not begun else "SuspendedEV"

    @property
    def place(self) -> Payload:
        """The EVSEType, with the connector as soon as it is known."""
        index = self.plugged or self._only
        return {"id": self.number} if index is None else {"id": self.number, "connectorId": index}

    # --- what happens -----------------------------------------------------------------------------

    def plug(self, car: Car, connector: int = 1) -> None:
        """Plug a car in; ValueError if there is one or no such connector."""
        if connector not in self.connectors:
            raise ValueError(f"EVSE {self.number} has no connector {connector}")
        self._in.advance()
        self.evse.plug(car)
        self.plugged = connector
        self._plug_in = self._in.books.plugged(self.number, car.model.name)
        if self.evse.powered:
            self._energised_at = self._in.clock.plant()
            if self.permit is not None:
                self.permit.until = None
                if self.transaction is not None:
                    self.transaction.stopped_by = None
            self._happened("CablePluggedIn")
            token = self._autostart
            if token is not None and self.usable:
                trigger = "CablePluggedIn" if self.transaction is None else "Authorized"
                self.allow(Permit(token, trigger=trigger))
        self._in.changed()

    def unplug(self) -> Car:
        """Plug the car out; ValueError if there is none."""
        self._in.advance()
        car = self.evse.unplug()
        if self._plug_in is not None:
            self._in.books.unplugged(self._plug_in, self.evse.delivered_wh)
        self.plugged = None
        running = self.transaction
        if self.evse.powered:
            if self._in.variables.flag("TxCtrlr.StopTxOnEVSideDisconnect", default=True):
                self.permit = None
            if running is not None:
                running.stopped_by = running.stopped_by or "EVDisconnected"
            self._happened("EVCommunicationLost")
        self._in.changed()
        return car

    def allow(self, permit: Permit) -> None:
        """Let somebody charge: now if there is a car, else when there is (EVConnectionTimeOut)."""
        self._in.advance()
        self.permit = permit
        permit.reservation_id = self._reservations.use(self, permit.token, permit.group)
        if self.evse.car is None:
            patience = self._in.variables.number("TxCtrlr.EVConnectionTimeOut", 60)
            permit.until = self._in.clock.now() + patience
        running = self.transaction
        if running is not None:
            running.stopped_by = None
        self._energised_at = self._in.clock.plant()
        self._happened(permit.trigger)
        car = self.evse.car
        if self._in.config.pilot_toggle_on_start and car is not None and car.asleep:
            self.evse.toggle_pilot()
        self._in.changed()

    def disallow(self, trigger: str, reason: str, token: Token | None = None) -> None:
        """End the authorisation; whether that ends the transaction is up to TxStopPoint."""
        self._in.advance()
        self.permit = None
        if self.transaction is not None:
            self.transaction.stopped_by = self.transaction.stopped_by or reason
            self._happened(trigger, token=token)
        self._points = self._reached()
        self._in.changed()

    def stop(self, reason: str, *, at: datetime | None = None) -> None:
        """End the transaction whatever TxStopPoint says, now or with the time stamp `at`."""
        self._in.advance()
        self.permit = None
        if self.transaction is not None:
            self.transaction.stopped_by = reason
            trigger = {"ImmediateReset": "ResetCommand", "Remote": "RemoteStop"}
            self._end(trigger.get(reason, "AbnormalCondition"), at=at)
        self._points = self._reached()
        self._in.changed()

    def set_operative(self, index: int | None, *, operative: bool) -> None:
        """Put a connector, or the EVSE, in or out of service."""
        self._in.advance()
        if index is None:
            self.operative = operative
        else:
            self.connectors[index].operative = operative
        self.becomes_inoperative = [one for one in self.becomes_inoperative if one != index]
        self.review()

    def review(self) -> None:
        """Take over what has become of the service of station, EVSE and connectors."""
        at_all = any(self.in_service(index) for index in self.connectors)
        self.evse.available = at_all if self.plugged is None else self.in_service(self.plugged)
        if not self.evse.available:
            self._reservations.remove(self)
            if self.transaction is None:
                self.permit = None
        self._in.changed()

    def set_error(self, error_code: str, index: int | None = None) -> None:
        """Raise an error at a connector (default: the one in use), or clear it with NoError."""
        self._in.advance()
        index = index or self.plugged or 1
        self.connectors[index].error_code = error_code
        self.evse.faulted = any(one.error_code != "NoError" for one in self.connectors.values())
        if self.evse.faulted:
            self._reservations.remove(self)
        cleared = error_code == "NoError"
        self._in.notify(
            "NotifyEvent",
            notify_event(
                self._in.time.now(),
                trigger="Alerting",
                actualValue=str(not cleared).lower(),
                cleared=cleared,
                techCode=error_code,
                component=Place("Connector", None, self.number, index).wire(),
                variable={"name": "Problem"},
            ),
        )
        self._in.changed()

    def power_up(self) -> None:
        """Forget what no memory keeps."""
        self.permit = None
        self._points = self._reached()

    # --- time -------------------------------------------------------------------------------------

    def passed(self, elapsed_s: float) -> None:
        """Note that plant seconds have passed."""
        if self.transaction is not None and self.evse.state in _CHARGING:
            self.transaction.charged_s += elapsed_s

    def tick(self) -> None:
        """Do what time asks for: samples, the end of a permit, a new charging state."""
        self.evse.energised = self.permit is not None and self.evse.car is not None
        now = self._in.clock.now()
        permit = self.permit
        if permit is not None and permit.until is not None and now >= permit.until:
            self._in.books.note(
                "connection_timeout", connector=self.number, card=permit.token.value
            )
            self.disallow("EVConnectTimeout", "Timeout")
        if self._reached() != self._points:
            self._happened("ChargingStateChanged")
        elif self.transaction is not None and self._state_is_news(self.transaction):
            self.tell("ChargingStateChanged")
        if self.transaction is not None:
            self._tick_samples(self.transaction, now)

    def state(self) -> dict[str, Any]:
        """Return a snapshot, ready for JSON."""
        return snapshot(self)

    def sample(self, trigger: str, context: str, names: tuple[str, ...]) -> None:
        """Send meter values of the transaction; nothing if nothing is to be measured."""
        running = self.transaction
        if running is None:
            return
        value = self.readings.take(names, context, running)
        if value[0] or trigger == "Trigger":
            self.tell(trigger, value=value)

    def tell(self, trigger: str, *, token: Token | None = None, **more: Any) -> None:
        """Tell of something in between (a triggerReason); nothing without a transaction.

        `more` is what else `Events.updated` takes.
        """
        running = self.transaction
        if running is not None:
            self._take_permit(running)
            self.events.updated(running, trigger, **self._told(running, token), **more)

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _only(self) -> int | None:
        return 1 if len(self.connectors) == 1 else None

    @property
    def _autostart(self) -> Token | None:
        if not self._in.variables.flag("AuthCtrlr.Enabled", default=True):
            return NOBODY
        token = self._in.config.autostart_token
        return None if token is None else Token(token, "Central")

    def _reached(self) -> set[str]:
        """The start and stop points that are true now (OCPP 2.0.1 part 2, E 1.1)."""
        connected, authorised = self.evse.car is not None, self.permit is not None
        points = set()
        if connected:
            points.add("EVConnected")
        if authorised:
            points.add("Authorized")
        if connected and authorised:
            points |= {"PowerPathClosed", "DataSigned"}
            if self.evse.state in _CHARGING:
                points.add("EnergyTransfer")
        return points

    def _happened(self, trigger: str, *, token: Token | None = None) -> None:
        """Draw the conclusion from a change: begin, tell, or end."""
        self.evse.energised = self.permit is not None and self.evse.car is not None
        before, self._points = self._points, self._reached()
        running = self.transaction
        if running is None:
            starts = set(self._in.variables.names("TxCtrlr.TxStartPoint"))
            working = self.plugged is None or self.connectors[self.plugged].error_code == "NoError"
            if self._points - before and self._points & starts and self.evse.available and working:
                self._begin(trigger)
            return
        stops = set(self._in.variables.names("TxCtrlr.TxStopPoint"))
        left = running.reached - self._points
        running.reached |= self._points & stops
        nobody = self.evse.car is None and self.permit is None
        if left or nobody:
            self._end(trigger, token=token)
        else:
            self.tell(trigger, token=token)

    def _begin(self, trigger: str) -> None:
        permit = self.permit
        now, register = self._in.time.now(), self.evse.register_wh
        transaction_id = f"{uuid.uuid4().hex}{self.number % 256:02x}"
        token = None if permit is None else permit.token
        record = self._in.books.started(
            self.number, token.value if token else "", wire_time(now), register, transaction_id
        )
        variables, wall = self._in.variables, self._in.clock.now()
        running = self.transaction = Transaction(
            record,
            transaction_id,
            now,
            register,
            Rhythm(wall),
            Rhythm(wall),
        )
        running.reached = self._points & set(variables.names("TxCtrlr.TxStopPoint"))
        self._take_permit(running)
        told = self._told(running, None)
        # Reading the meter took a moment, in which more may have flown: what is told is the start.
        record.meter_start_wh = running.meter_start_wh = self.evse.register_wh
        self.events.started(running, trigger, **told)

    def _end(self, trigger: str, *, token: Token | None = None, at: datetime | None = None) -> None:
        running = self.transaction
        if running is None:
            return
        reason = running.stopped_by or "Other"
        self.events.ended(running, trigger, reason, at, **self._told(running, token))
        stopped = wire_time(at or self._in.time.now())
        self._in.books.stopped(running.record, stopped, self.evse.register_wh, reason)
        self._in.profiles.end_charge(running.transaction_id)
        self.transaction = self.permit = None
        self.evse.energised = False
        self._points = self._reached()
        for index in list(self.becomes_inoperative):
            self.set_operative(index, operative=False)
        self.review()

    def _take_permit(self, running: Transaction) -> None:
        """Take over what came with the permit, once."""
        permit = self.permit
        if permit is None:
            return
        running.group = permit.group
        if permit.remote_start_id is not None:
            running.remote_start_id, permit.remote_start_id = permit.remote_start_id, None
        if permit.reservation_id is not None:
            running.reservation_id, permit.reservation_id = permit.reservation_id, None
        if permit.profile is not None:
            profile, permit.profile = permit.profile.bound(running.transaction_id), None
            try:
                self._in.profiles.install(profile, self.charge)
            except ProfileError as err:
                self._in.books.note("profile_refused", why=str(err))

    def _told(self, running: Transaction, token: Token | None) -> dict[str, Any]:
        """Return what an event tells beside its reason: a token only when it is news."""
        permit = self.permit
        if token is None and permit is not None and not permit.token.same(running.token):
            token = running.token = permit.token
            running.refused = False
            self._in.books.identified(running.record, token.value, running.record.start_status)
        state = self.charging_state
        phases = self.evse.active_phases if state == "Charging" else None
        news = phases if running.charging_state != "Charging" else None
        return {"charging_state": state, "place": self.place, "token": token, "phases": news}

    def _state_is_news(self, running: Transaction) -> bool:
        return self.charging_state != running.charging_state

    def _tick_samples(self, running: Transaction, now: float) -> None:
        variables = self._in.variables
        if not variables.flag("SampledDataCtrlr.Enabled", default=True):
            return
        updated, ended = "SampledDataCtrlr.TxUpdated", "SampledDataCtrlr.TxEnded"
        if running.updates.due(now, variables.number(f"{updated}Interval")):
            names = variables.names(f"{updated}Measurands")
            self.sample("MeterValuePeriodic", "Sample.Periodic", names)
        if running.end_samples.due(now, variables.number(f"{ended}Interval")):
            names = variables.names(f"{ended}Measurands")
            value, _ = self.readings.take(names, "Sample.Periodic", running)
            running.data.extend(value)

    def _answered(self, running: Transaction, token: Token | None, answer: Payload) -> None:
        """Take in what the server says to an event: a cost, and who may charge (C, E05)."""
        if "totalCost" in answer:
            running.total_cost = answer["totalCost"]
        info = answer.get("idTokenInfo")
        if info is None or token is None:
            return
        self._in.local_auth.remember(token, info, self._in.time.now())
        running.group = Token.group_of(info) or running.group
        if not token.same(running.token):
            return  # it was the token that stopped
        self._in.books.identified(running.record, token.value, info["status"])
        if info["status"] == "Accepted":
            return
        self._in.books.card_refused(token.value, info["status"])
        if self.transaction is not running or self.permit is None:
            return
        if self._in.variables.flag("TxCtrlr.StopTxOnInvalidId", default=True):
            self.disallow("Deauthorized", "DeAuthorized")
        else:
            running.refused = True
            self._in.changed()
