"""One connector: the car on it, who may charge, the transaction, and the status of all that."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .. import books
from ..cars import Car
from ..clock import wire_time
from ..frames import Payload
from ..plant import MIN_OFFER_A, Evse, PlugState
from .internals import Grant, Internals, Transaction
from .outbox import Message
from .profile import Charge, Profile
from .readings import Readings


class Connector:
    """A connector of the station, numbered from 1."""

    def __init__(self, internals: Internals, number: int) -> None:
        """Make a connector that is in service, with no car."""
        config = internals.config
        self._in = internals
        self.number = number
        self.evse = Evse(
            phases=config.phases,
            max_current_a=config.max_current_a,
            voltage_v=config.voltage_v,
            register_wh=config.register_wh,
        )
        self.readings = Readings(internals, number, self.evse, lambda: self.transaction)
        self.readings.faults.session_relative = config.session_relative_meter
        self.transaction: Transaction | None = None
        self.grant: Grant | None = None
        self.operative = True
        self.becomes_inoperative = False
        """Scheduled for the end of the transaction."""
        self.error_code = "NoError"
        self.finished = False
        """A transaction has ended, or nobody came, and the cable is still plugged in."""
        self._plugged_at = 0.0
        self._plug_in: books.PlugIn | None = None

    @property
    def status(self) -> str:
        """The ChargePointStatus of OCPP 1.6 §4.9, §7.7."""
        if self.error_code != "NoError":
            return "Faulted"
        if self.transaction is not None:
            return self._status_of_transaction()
        if not self.operative or self._in.installing:
            return "Unavailable"
        if self.finished:
            return "Finishing"
        if self.grant is None and self.reserved:
            return "Reserved"
        return "Available" if self.grant is None and self.evse.car is None else "Preparing"

    @property
    def info(self) -> str | None:
        """What goes with the status as free text."""
        unplugged = self.evse.car is None and (self.transaction is not None or self.finished)
        return "EV side disconnected" if unplugged else None

    @property
    def charge(self) -> Charge | None:
        """The transaction as charging profiles see it."""
        running = self.transaction
        return None if running is None else Charge(running.started, running.transaction_id)

    @property
    def suspended(self) -> bool:
        """Whether the transaction goes on without energy, because the server refused its tag."""
        return self.transaction is not None and self.transaction.suspended

    @property
    def seniority(self) -> int:
        """Grows with the start of the transaction; 0 without one."""
        return 0 if self.transaction is None else self.transaction.record.number

    @property
    def usable(self) -> bool:
        """Whether a transaction may begin here."""
        blocked = self.finished and self._in.config.finishing_blocks
        works = self.operative and self.error_code == "NoError" and not self._in.installing
        return works and not self.transaction and not blocked

    @property
    def reserved(self) -> bool:
        """Whether it is kept for somebody."""
        return self._in.reservations.on(self.number) is not None

    def usable_for(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether a transaction may begin here, and nothing is kept for somebody else."""
        kept = self._in.reservations.blocks(self.number, id_tag, parent_id_tag)
        return self.usable and not kept

    def plug(self, car: Car) -> None:
        """Plug a car in; ValueError if there is one."""
        self._in.advance()
        self.evse.plug(car)
        self._plug_in = self._in.books.plugged(self.number, car.model.name)
        self._plugged_at = self._in.clock.now()
        self._in.changed()
        if not self.evse.powered:
            return
        tag = self._in.config.autostart_tag
        if self.grant is not None and self.usable:
            self.start(self.grant.id_tag, self.grant.parent_id_tag, self.grant.profile)
        elif tag is not None and self.usable_for(tag, None):
            self.start(tag, None, None)

    def unplug(self) -> Car:
        """Plug the car out; ValueError if there is none."""
        self._in.advance()
        car = self.evse.unplug()
        if self._plug_in is not None:
            self._in.books.unplugged(self._plug_in, self.evse.delivered_wh)
        if self.evse.powered and self._in.settings.flag("StopTransactionOnEVSideDisconnect"):
            # A loose cable is still in the socket; a fixed one is nobody's to remove (§4.9).
            self.stop("EVDisconnected", cable_left=not self._in.config.tethered)
        self.finished = False
        self._in.changed()
        return car

    def allow(self, id_tag: str, parent_id_tag: str | None, profile: Profile | None) -> None:
        """Let somebody charge: now if there is a car, else when there is (ConnectionTimeOut)."""
        if self.evse.car is not None:
            self.start(id_tag, parent_id_tag, profile)
            return
        until = self._in.clock.now() + self._in.settings.number("ConnectionTimeOut")
        self.grant = Grant(id_tag, parent_id_tag, profile, until)
        self._in.changed()

    def start(self, id_tag: str, parent_id_tag: str | None, profile: Profile | None) -> None:
        """Begin a transaction."""
        self._in.advance()
        self.grant = None
        self.finished = False
        now = self._in.time.now()
        register = self.evse.register_wh
        record = self._in.books.started(self.number, id_tag, wire_time(now), register)
        interval = self._in.settings.number("MeterValueSampleInterval")
        running = Transaction(
            record, id_tag, parent_id_tag, now, register, self._in.clock.now() + interval
        )
        self.transaction = running
        payload: Payload = {
            "connectorId": self.number,
            "idTag": id_tag,
            "meterStart": register,
            "timestamp": record.started,
        }
        reservation_id = self._in.reservations.use(self.number, id_tag, parent_id_tag)
        if reservation_id is not None:
            payload["reservationId"] = reservation_id
        self._in.outbox.put(
            Message(
                "StartTransaction",
                payload,
                answered=lambda answer: self._start_answered(running, answer),
            )
        )
        if profile is not None:
            self._in.profiles.install(profile, self.charge)
        self.evse.energised = True
        if (
            self._in.config.pilot_toggle_on_start
            and self.evse.car is not None
            and self.evse.car.asleep
        ):
            self.evse.toggle_pilot()
        self.readings.take("Transaction.Begin")
        self._in.changed()

    def stop(
        self,
        reason: str,
        *,
        id_tag: str | None = None,
        at: datetime | None = None,
        cable_left: bool = False,
    ) -> None:
        """End the transaction, now or with the time stamp `at`; does nothing if there is none.

        `cable_left`: the car is gone, but its cable is not.
        """
        self._in.advance()
        running = self.transaction
        if running is None:
            return
        self.readings.take("Transaction.End", at=at)
        self.evse.energised = False
        self.transaction = None
        self.finished = cable_left or self.evse.car is not None
        self._in.profiles.end_charge(self.number)
        stopped = wire_time(at or self._in.time.now())
        self._in.books.stopped(running.record, stopped, self.evse.register_wh, reason)
        payload: Payload = {
            "meterStop": self.evse.register_wh,
            "timestamp": stopped,
            "reason": reason,
        }
        if id_tag is not None:
            payload["idTag"] = id_tag
        if running.data:
            payload["transactionData"] = running.data
        unknown = self._in.config.unknown_transaction_id

        def fill(payload: Payload) -> None:
            known = running.transaction_id
            payload["transactionId"] = unknown if known is None else known

        self._in.outbox.put(
            Message(
                "StopTransaction",
                payload,
                fill,
                answered=lambda answer: self._stop_answered(running, answer),
            )
        )
        if self.becomes_inoperative:
            self.becomes_inoperative = False
            self.set_operative(operative=False)
        self._in.changed()

    def set_operative(self, *, operative: bool) -> None:
        """Put the connector in or out of service."""
        self._in.advance()
        self.operative = operative
        self.becomes_inoperative = False
        if not operative:
            self.grant = None
            self._in.reservations.drop(self.number)
        self.evse.available = operative
        self._in.changed()

    def set_error(self, error_code: str) -> None:
        """Raise an error (ChargePointErrorCode, §7.6), or clear it with NoError."""
        self._in.advance()
        self.error_code = error_code
        self.evse.faulted = error_code != "NoError"
        if self.evse.faulted:
            self._in.reservations.drop(self.number)
        self._in.changed()

    def power_up(self) -> None:
        """Forget what no memory keeps."""
        self.grant = None
        self.finished = False

    def tick(self) -> None:
        """Do what time asks for: the next sample, the end of a grant."""
        now = self._in.clock.now()
        if self.grant is not None and now >= self.grant.until:
            self._in.books.note("connection_timeout", connector=self.number, card=self.grant.id_tag)
            self.grant = None
        waiting = self._in.config.plug_expires and self.status == "Preparing" and not self.grant
        if waiting and now >= self._plugged_at + self._in.settings.number("ConnectionTimeOut"):
            self.finished = True
        self.readings.tick()

    def state(self) -> dict[str, Any]:
        """Return a snapshot, ready for JSON."""
        evse, car, running = self.evse, self.evse.car, self.transaction
        return {
            "connector": self.number,
            "status": self.status,
            "error_code": self.error_code,
            "plug_state": str(evse.state),
            "car": None if car is None else car.model.name,
            "soc": None if car is None else round(car.soc, 4),
            "asleep": None if car is None else car.asleep,
            "limit_a": round(evse.limit_a, 2),
            "offer_a": round(evse.offer_a, 2),
            "phases_offered": evse.phases_offered,
            "currents_a": [round(current, 2) for current in evse.currents_a],
            "power_w": round(evse.power_w, 1),
            "register_wh": evse.register_wh,
            "delivered_wh": round(evse.delivered_wh, 3),
            "transaction_id": None if running is None else running.transaction_id,
            "id_tag": None if running is None else running.id_tag,
            "waiting_for_plug": self.grant is not None,
        }

    def _status_of_transaction(self) -> str:
        if self.evse.state in (PlugState.C, PlugState.D):
            return "Charging"
        offered = self.evse.limit_a >= MIN_OFFER_A and not self.suspended
        return "SuspendedEV" if offered or self.evse.car is None else "SuspendedEVSE"

    def _start_answered(self, running: Transaction, answer: Payload) -> None:
        info = answer["idTagInfo"]
        self._in.books.start_answered(running.record, answer["transactionId"], info["status"])
        if not self._in.local_auth.remember(running.id_tag, info):
            self._in.warn("LocalListConflict")
        running.parent_id_tag = info.get("parentIdTag", running.parent_id_tag)
        if info["status"] == "Accepted":
            return
        self._in.books.card_refused(running.id_tag, info["status"])
        if self.transaction is not running:
            return
        if self._in.settings.flag("StopTransactionOnInvalidId"):
            self.stop("DeAuthorized")
        else:
            running.suspended = True
            self._in.changed()

    def _stop_answered(self, running: Transaction, answer: Payload) -> None:
        self._in.books.stop_answered(running.record)
        if "idTagInfo" in answer:
            self._in.local_auth.remember(running.id_tag, answer["idTagInfo"])
