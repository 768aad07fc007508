"""What an EVSE of a station of OCPP 2.x is doing, by all that is told about it.

OCPP 2.x tells it in two halves: whether something is plugged in with the connector, what
the car does with the transaction (OCPP 2.0.1 §2.2, part 2 G01 and E02). Pure state, no I/O.
"""

from dataclasses import dataclass, field
from datetime import datetime

from ....core.model.evse import EvseStatus
from ....core.model.reading import Reading

# Of several connectors, only one of which can be used at a time, the most telling first.
_TELLING = ("Occupied", "Reserved", "Available", "Faulted", "Unavailable")

_CHARGING = {
    "Charging": EvseStatus.CHARGING,
    "SuspendedEV": EvseStatus.SUSPENDED_EV,
    "SuspendedEVSE": EvseStatus.SUSPENDED_EVSE,
}
_CONNECTOR = {
    "Available": EvseStatus.AVAILABLE,
    "Reserved": EvseStatus.RESERVED,
    "Unavailable": EvseStatus.UNAVAILABLE,
}
PROBLEMS_KEPT = 8


@dataclass(slots=True)
class Outlet:
    """One EVSE.

    `connectors` holds the word of each connector, `reference` the transaction that runs as
    far as its events tell. `reported` is the status that the site was told last,
    `problems` what components of the EVSE say is wrong with them.
    """

    connectors: dict[int, str] = field(default_factory=dict)
    reference: str | None = None
    problems: dict[str, str] = field(default_factory=dict)
    register: Reading | None = None
    reported: EvseStatus | None = None
    _state: str | None = None
    _has_charged: bool = False
    _is_over: bool = False
    _at: datetime | None = None

    @property
    def error(self) -> str | None:
        """What is wrong with it."""
        return next(iter(self.problems.values()), None)

    @property
    def register_wh(self) -> int | None:
        """Where its meter stood last."""
        return None if self.register is None else self.register.register_wh

    def measure(self, readings: tuple[Reading, ...]) -> None:
        """Take note of where the meter stands."""
        for reading in readings:
            if reading.register_wh is not None and (
                self.register is None or reading.at >= self.register.at
            ):
                self.register = reading

    def plug(self, connector: int, word: str, at: datetime, *, live: bool) -> None:
        """Take note of the word of a connector."""
        self.connectors[connector] = word
        if word == "Available" and live:
            self._is_over = self._has_charged = False
            if not self._is_older(at):
                # Whatever was charged here is unplugged, even if the end comes later.
                self.reference = self._state = None
                self._at = at

    def charge(self, reference: str, state: str | None, at: datetime) -> None:
        """Take note of the chargingState that a transaction tells, `None` for none."""
        if self._is_older(at):
            return
        if reference != self.reference:
            self.reference, self._state = reference, None
            self._has_charged = self._is_over = False
        self._at = at
        self._state = state or self._state
        self._has_charged = self._has_charged or self._state == "Charging"

    def draw(self) -> None:
        """Take note that energy flows, for a station that never tells a chargingState."""
        if self._state is None:
            self._state = "Charging"
            self._has_charged = True

    def end(self, reference: str, at: datetime) -> None:
        """Take note that a transaction ended."""
        if reference == self.reference or (self.reference is None and not self._is_older(at)):
            self.reference = self._state = None
            # The end may come after the word that the cable is out.
            self._is_over = self._word != "Available"
            self._at = at

    def report_problem(self, component: str, problem: str | None) -> None:
        """Take note of what a component says of itself, `None` when all is well again."""
        self.problems.pop(component, None)
        if problem is not None:
            self.problems[component] = problem
        while len(self.problems) > PROBLEMS_KEPT:
            del self.problems[next(iter(self.problems))]

    @property
    def status(self) -> EvseStatus | None:
        """What it is doing, `None` while nobody told."""
        word = self._word
        if word == "Faulted":
            return EvseStatus.FAULTED
        plugged = word == "Occupied"
        if self.reference is not None:
            if self._state in _CHARGING:
                return _CHARGING[self._state]
            plugged = plugged or self._state == "EVConnected"
        if plugged:
            after = self._has_charged or self._is_over
            return EvseStatus.FINISHING if after else EvseStatus.PREPARING
        return _CONNECTOR.get(word or "")

    @property
    def _word(self) -> str | None:
        words = set(self.connectors.values())
        return next((one for one in _TELLING if one in words), None)

    def _is_older(self, at: datetime) -> bool:
        return self._at is not None and at < self._at
