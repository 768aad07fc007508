"""What a station of OCPP 2.x has told so far: of each transaction, and of each EVSE.

The station names its transactions and tells them in events (OCPP 2.0.1 part 2 E). A
transaction may begin long before anybody is let in, so it is booked only when it is about
energy: when somebody identified for it, or when the car charges. All of it is kept while
the station is away; after a restart of this program the ledger knows what was booked.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ....core.model.ids import EvseId
from ....core.model.reading import Reading, ReadingContext
from ....core.model.token import Authorization, Token
from ...base import TransactionEnd, TransactionStart
from ..schema import Payload
from ..station import Moment
from .messages import UNCOUNTED, token_of
from .outlets import Outlet

TOLD_KEPT = 64
ANSWERS_KEPT = 32
JUDGED_KEPT = 32
ROUNDING_WH = 10
"""How much a register may rise while nobody charges: stations round samples."""
SAME_TAP = timedelta(minutes=3)
"""How long a token that was judged need not be judged again; the site sees one tap then."""

type EventKey = tuple[str, int, str, str]


def event_key(payload: Payload) -> EventKey | None:
    """Return what tells an event of a transaction from all others, `None` for none.

    The sequence number should (OCPP 2.0.1 part 2 E01), but some stations do not count.
    """
    number, stamp = payload["seqNo"], payload["timestamp"]
    if number == UNCOUNTED or not stamp:
        return None
    return payload["eventType"], number, stamp, payload["triggerReason"]


@dataclass(slots=True)
class Told:
    """One transaction, as far as it was told.

    `id` is the ledger's, `None` while nothing is booked; `begun` when there was a reason to
    book it, `whole` whether its beginning was told. `first` and `last` are readings with the
    first and the last register, `end` is its end once that was told.
    """

    reference: str
    id: int | None = None
    evse: int | None = None
    token: Token | None = None
    reservation_id: int | None = None
    whole: bool = False
    begun: Moment | None = None
    first: Reading | None = None
    last: Reading | None = None
    end: TransactionEnd | None = None
    answers: dict[EventKey, Payload] = field(default_factory=dict)
    _heard: Moment | None = None
    _measures: bool = False

    @property
    def drew(self) -> bool:
        """Whether its registers show that energy flowed."""
        return self._wh(self.last) - self._wh(self.first) > ROUNDING_WH

    def take(self, payload: Payload, when: Moment, readings: tuple[Reading, ...]) -> None:
        """Take note of an event; the same one again changes nothing."""
        is_start = payload["eventType"] == "Started"
        self.whole = self.whole or is_start
        self._measures = self._measures or bool(readings)
        self.reservation_id = payload.get("reservationId", self.reservation_id)
        for reading in readings:
            self._measure(reading)
        if self.id is None:
            self._find_beginning(payload, when, is_start=is_start)
        self._heard = when

    def keep_answer(self, key: EventKey | None, answer: Payload) -> None:
        """Remember what an event was answered, for the case that it is told again."""
        if key is not None:
            self.answers[key] = answer
        if len(self.answers) > ANSWERS_KEPT:
            del self.answers[next(iter(self.answers))]

    def start(
        self, station_id: str, register_wh: int | None, *, ending: bool
    ) -> TransactionStart | None:
        """Return what to book, `None` while it is not known or nothing to be booked.

        `register_wh` is where the meter of the EVSE stood when it was last heard of,
        `ending` says that the end is being told.
        """
        if self.begun is None or self.evse is None:
            return None
        if self.end is not None and not self.whole and not (ending and self.drew):
            # Its energy is not known, and the beginning, which was overtaken, may still come.
            return None
        if self.first is not None:
            meter_start_wh: int | None = self._wh(self.first)
        elif register_wh is None and (self._measures or self.end is not None):
            # The station has shown that it tells no register.
            meter_start_wh = 0
        else:
            meter_start_wh = register_wh
        if meter_start_wh is None:
            # Better booked with the next reading than with a register that is made up.
            return None
        return TransactionStart(
            evse=EvseId(station_id, self.evse),
            token=self.token,
            at=self.begun.at,
            meter_start_wh=meter_start_wh,
            reference=self.reference,
            reservation_id=self.reservation_id,
            replayed=self.begun.replayed,
            clock_estimated=self.begun.estimated,
        )

    def _find_beginning(self, payload: Payload, when: Moment, *, is_start: bool) -> None:
        """Learn when and for whom it begins to be about energy."""
        shown = "idToken" in payload and self.token is None
        if shown:
            self.token = token_of(payload["idToken"])
        charging = payload["transactionInfo"].get("chargingState") == "Charging"
        if shown or (self.begun is None and (charging or self.drew)):
            begun = self._beginning(when, now=shown or charging, is_start=is_start)
            if self.begun is None or begun.at < self.begun.at:
                self.begun = begun

    def _beginning(self, when: Moment, *, now: bool, is_start: bool) -> Moment:
        if is_start:
            return when
        if self._heard is not None:
            # Energy that shows in a register flowed since the last event.
            return when if now else replace(when, at=min(when.at, self._heard.at))
        return when if self.first is None else replace(when, at=min(when.at, self.first.at))

    def _measure(self, reading: Reading) -> None:
        if reading.register_wh is None:
            return
        if self.first is None or _rank(reading) < _rank(self.first):
            self.first = reading
        if self.last is None or _rank(reading)[1:] > _rank(self.last)[1:]:
            self.last = reading

    @staticmethod
    def _wh(reading: Reading | None) -> int:
        return 0 if reading is None else reading.register_wh or 0


def _rank(reading: Reading) -> tuple[bool, datetime, int]:
    """The register of a transaction's beginning goes before all others, by whatever clock."""
    return reading.context is not ReadingContext.BEGIN, reading.at, reading.register_wh or 0


class Memory:
    """What one station has told, through all its connections."""

    def __init__(self) -> None:
        self.transactions: dict[str, Told] = {}
        self._outlets: dict[int, Outlet] = {}
        self._judged: dict[Token, tuple[datetime, Authorization]] = {}

    def outlet(self, number: int) -> Outlet:
        """Return what is known of an EVSE."""
        return self._outlets.setdefault(number, Outlet())

    def add(self, told: Told) -> None:
        """Remember a transaction; of too many, one that ended is forgotten first."""
        self.transactions[told.reference] = told
        if len(self.transactions) > TOLD_KEPT:
            ended = (one.reference for one in self.transactions.values() if one.end is not None)
            del self.transactions[next(ended, next(iter(self.transactions)))]

    def judge(self, token: Token, authorization: Authorization, at: datetime) -> None:
        """Remember how a token was judged."""
        self._judged.pop(token, None)
        self._judged[token] = at, authorization
        if len(self._judged) > JUDGED_KEPT:
            del self._judged[next(iter(self._judged))]

    def judgement(self, token: Token, now: datetime) -> Authorization | None:
        """Return how a token was judged a moment ago, `None` if it was not."""
        at, authorization = self._judged.get(token, (None, None))
        return authorization if at is not None and now - at < SAME_TAP else None
