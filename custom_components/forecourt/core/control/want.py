"""What a charge would take if there was room for all."""

from dataclasses import dataclass
from datetime import datetime

from ..model.setpoint import LimitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What one EVSE should get by its goal, the sun and the plan, before any fuse.

    `current_a` per phase, 0 to pause; `phases` 1 or 3, `None` to leave them. `reason` is why not
    more. Where it runs short, `priority` (higher first) decides, then what must still flow before
    its deadline (`need_wh` until `deadline`), then who was served least.
    """

    current_a: int
    reason: LimitReason
    phases: int | None = None
    priority: int = 0
    need_wh: int | None = None
    deadline: datetime | None = None
