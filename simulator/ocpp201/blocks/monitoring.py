"""Variable monitoring: the server is told when a variable crosses a line (OCPP 2.0.1 block N)."""

from __future__ import annotations

from dataclasses import dataclass
import itertools
from typing import TYPE_CHECKING, Any

from ...frames import Payload
from ..notices import notify_event
from ..variables import Variable
from .base import ACCEPTED, Answer, Handlers, refused
from .provisioning import Provisioning, matches

if TYPE_CHECKING:
    from ..station import Ocpp201Station

_THRESHOLDS = ("UpperThreshold", "LowerThreshold")
_PERIODIC = ("Periodic", "PeriodicClockAligned")
_CRITERIA = {
    "UpperThreshold": "ThresholdMonitoring",
    "LowerThreshold": "ThresholdMonitoring",
    "Delta": "DeltaMonitoring",
    "Periodic": "PeriodicMonitoring",
    "PeriodicClockAligned": "PeriodicMonitoring",
}
_NUMBERS = ("integer", "decimal")
_MOST_SEVERITY = 9


@dataclass(slots=True)
class Monitor:
    """One monitor that the server has set."""

    monitor_id: int
    variable: Variable
    kind: str
    value: float
    severity: int
    transaction: bool
    crossed: bool
    last: str
    due: float
    """When the next periodic event is to be sent: seconds of wall or, aligned, station time."""

    def wire(self, version: str) -> Payload:
        """Return the VariableMonitoringType."""
        wire: Payload = {
            "id": self.monitor_id,
            "transaction": self.transaction,
            "value": self.value,
            "type": self.kind,
            "severity": self.severity,
        }
        return wire if version == "2.0.1" else {**wire, "eventNotificationType": "CustomMonitor"}


class Monitoring:
    """Keeps monitors and watches what they are set on."""

    def __init__(self, station: Ocpp201Station, provisioning: Provisioning) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals
        self._provisioning = provisioning
        self._ids = itertools.count(1)
        self._monitors: dict[int, Monitor] = {}
        self.base = "All"
        """The MonitoringBase that the server has set last."""
        self.level = _MOST_SEVERITY
        """Only events of this severity or worse (a lower number) are sent."""

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "ClearVariableMonitoring": self._clear,
            "GetMonitoringReport": self._get_report,
            "SetMonitoringBase": self._set_base,
            "SetMonitoringLevel": self._set_level,
            "SetVariableMonitoring": self._set,
        }

    def tick(self) -> None:
        """Send the events that are due."""
        if not self._in.variables.flag("MonitoringCtrlr.Enabled", default=True):
            return
        for monitor in self._monitors.values():
            self._look(monitor)

    # --- what the server asks ---------------------------------------------------------------------

    def _set_base(self, payload: Payload) -> Answer:
        self.base = payload["monitoringBase"]
        if self.base != "All":  # there are no preconfigured monitors: only the server's go
            self._monitors.clear()
        return ACCEPTED

    def _set_level(self, payload: Payload) -> Answer:
        if not 0 <= payload["severity"] <= _MOST_SEVERITY:
            return refused("ValueOutOfRange")
        self.level = payload["severity"]
        return ACCEPTED

    def _set(self, payload: Payload) -> Answer:
        results = [self._set_one(wanted) for wanted in payload["setMonitoringData"]]
        return {"setMonitoringResult": results}, None

    def _set_one(self, wanted: Payload) -> Payload:
        result = {key: wanted[key] for key in ("type", "severity", "component", "variable")}
        found = self._in.variables.lookup(wanted)
        if not isinstance(found, Variable):
            return {**result, "status": found}
        monitor_id = wanted.get("id")
        status = self._unfit(found, wanted)
        if status is not None:
            return {**result, "status": status}
        monitor_id = next(self._ids) if monitor_id is None else monitor_id
        value, kind = float(wanted["value"]), wanted["type"]
        monitor = Monitor(
            monitor_id,
            found,
            kind,
            value,
            wanted["severity"],
            wanted.get("transaction", False),
            crossed=False,
            last=found.actual,
            due=self._next_due(kind, value),
        )
        self._monitors[monitor_id] = monitor
        return {**result, "status": "Accepted", "id": monitor_id}

    def _unfit(self, variable: Variable, wanted: Payload) -> str | None:
        """Return the status with which a monitor is refused (N04)."""
        kind, value, monitor_id = wanted["type"], wanted["value"], wanted.get("id")
        numeric = variable.data_type in _NUMBERS
        if kind not in _CRITERIA or (kind in _THRESHOLDS and not numeric):
            return "UnsupportedMonitorType"
        beyond = kind in _THRESHOLDS and (
            (variable.least is not None and value < variable.least)
            or (variable.most is not None and value > variable.most)
        )
        unknown = monitor_id is not None and monitor_id not in self._monitors
        bad_severity = not 0 <= wanted["severity"] <= _MOST_SEVERITY
        negative = kind not in _THRESHOLDS and value <= 0 and numeric
        if not variable.monitored or beyond or unknown or bad_severity or negative:
            return "Rejected"
        same = (variable.key, kind, wanted["severity"])
        for other in self._monitors.values():
            told = (other.variable.key, other.kind, other.severity)
            if told == same and other.monitor_id != monitor_id:
                return "Duplicate"
        return None

    def _clear(self, payload: Payload) -> Answer:
        results = [
            {
                "id": one,
                "status": "NotFound" if self._monitors.pop(one, None) is None else "Accepted",
            }
            for one in payload["id"]
        ]
        return {"clearMonitoringResult": results}, None

    def _get_report(self, payload: Payload) -> Answer:
        wanted = payload.get("componentVariable")
        criteria = payload.get("monitoringCriteria")
        groups: dict[Any, list[Monitor]] = {}
        for monitor in self._monitors.values():
            named = wanted is None or any(matches(monitor.variable, one) for one in wanted)
            if named and (criteria is None or _CRITERIA[monitor.kind] in criteria):
                groups.setdefault(monitor.variable.key, []).append(monitor)
        if not groups:
            return {"status": "EmptyResultSet"}, None
        version = self._station.version
        data = [
            {
                "component": group[0].variable.place.wire(),
                "variable": group[0].variable.wire_name(),
                "variableMonitoring": [monitor.wire(version) for monitor in group],
            }
            for group in groups.values()
        ]

        async def tell() -> None:
            await self._provisioning.report(
                "NotifyMonitoringReport", payload["requestId"], "monitor", data
            )

        return {"status": "Accepted"}, tell

    # --- what the station sees --------------------------------------------------------------------

    def _look(self, monitor: Monitor) -> None:
        value = monitor.variable.actual
        if monitor.kind in _THRESHOLDS:
            above = float(value) > monitor.value
            below = float(value) < monitor.value
            crossed = above if monitor.kind == "UpperThreshold" else below
            if crossed != monitor.crossed:
                monitor.crossed = crossed
                self._tell(monitor, "Alerting", value, {} if crossed else {"cleared": True})
        elif monitor.kind == "Delta":
            numeric = monitor.variable.data_type in _NUMBERS
            far = abs(float(value) - float(monitor.last)) >= monitor.value if numeric else True
            if value != monitor.last and far:
                monitor.last = value
                self._tell(monitor, "Delta", value, {})
        elif self._now(monitor.kind) >= monitor.due:
            monitor.due = self._next_due(monitor.kind, monitor.value)
            self._tell(monitor, "Periodic", value, {})

    def _now(self, kind: str) -> float:
        return self._in.clock.now() if kind == "Periodic" else self._in.time.now().timestamp()

    def _next_due(self, kind: str, interval: float) -> float:
        if kind not in _PERIODIC:
            return 0.0
        now = self._now(kind)
        return now + interval if kind == "Periodic" else (now // interval + 1) * interval

    def _tell(self, monitor: Monitor, trigger: str, value: str, more: Payload) -> None:
        place = monitor.variable.place
        outlet = None if place.evse is None else self._station.outlets[place.evse]
        running = None if outlet is None else outlet.transaction
        if monitor.severity > self.level or (monitor.transaction and running is None):
            return
        if running is not None:
            more = {**more, "transactionId": running.transaction_id}
        self._in.notify(
            "NotifyEvent",
            notify_event(
                self._in.time.now(),
                trigger=trigger,
                actualValue=value,
                eventNotificationType="CustomMonitor",
                variableMonitoringId=monitor.monitor_id,
                component=place.wire(),
                variable=monitor.variable.wire_name(),
                **more,
            ),
        )
