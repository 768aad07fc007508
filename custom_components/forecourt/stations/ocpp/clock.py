"""When something happened, by a station's clock and by ours. Pure state, no I/O."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from .station import Moment

MAX_SKEW = timedelta(seconds=60)
FIRST_PLAUSIBLE_YEAR = 2020

# How long before a message of a wrong clock its oldest sample may have been taken.
MAX_SPAN = timedelta(days=7)


def _moment(at: datetime | None, *, now: datetime, connected_at: datetime) -> Moment:
    """Judge the time that a station tells, `None` where what it tells is none.

    A time before the connection is a replay from offline times; a time that lies back
    while the connection was up cannot be one, so the clock is wrong, as it is for a
    time before this product or in the future.
    """
    if at is None or at.year < FIRST_PLAUSIBLE_YEAR or at > now + MAX_SKEW:
        return Moment(now, estimated=True)
    if at < connected_at:
        return Moment(at, replayed=True)
    return Moment(now, estimated=True) if at < now - MAX_SKEW else Moment(at)


class Judged(NamedTuple):
    """When a message was written: by its stamp, `None` where that is no time, and in truth.

    `now` is when it was judged.
    """

    told: datetime | None
    when: Moment
    now: datetime

    def of(self, stamp: str) -> Moment:
        """Return the moment of something in the message, which was stamped by the same clock.

        The past is believed, however long ago: a station may keep what it measured until
        the end. Where the clock is wrong, how long before the message it was is right.
        """
        at, when = _time(stamp), self.when
        if at is None or self.told is None:
            return Moment(when.at, estimated=True)
        if not when.estimated:
            plausible = at.year >= FIRST_PLAUSIBLE_YEAR and at <= self.now + MAX_SKEW
            return replace(when, at=at) if plausible else Moment(when.at, estimated=True)
        ago = self.told - at
        if not timedelta() <= ago <= MAX_SPAN:
            ago = timedelta()
        return Moment(when.at - ago, estimated=True)


class Clock:
    """A station's clock, by the messages of one connection since `connected_at`."""

    def __init__(self, connected_at: datetime) -> None:
        self.connected_at = connected_at
        self._right: datetime | None = None

    def judge(self, stamp: str, *, now: datetime, since: datetime | None = None) -> Judged:
        """Judge the stamp of a message; what happened before `since` is a replay.

        A clock that was right does not fall back: what lies back then is told late, unless
        the clock stands still.
        """
        return self._judge(_time(stamp), now, since)

    def judge_newest(
        self, stamps: Iterable[str], *, now: datetime, since: datetime | None = None
    ) -> Judged:
        """Judge a message that has no stamp of its own by the newest of those in it."""
        newest = max((at for at in map(_time, stamps) if at is not None), default=None)
        return self._judge(newest, now, since)

    def _judge(self, told: datetime | None, now: datetime, since: datetime | None) -> Judged:
        when = _moment(told, now=now, connected_at=since or self.connected_at)
        if not when.estimated:
            if not when.replayed:
                self._right = told
        elif told is None or told.year < FIRST_PLAUSIBLE_YEAR or told > now:
            self._right = None
        elif self._right not in (None, told):
            when = Moment(told)
        return Judged(told, when, now)


def _time(stamp: str) -> datetime | None:
    """Return the time that a stamp tells, in UTC; `None` where it tells none."""
    try:
        at = datetime.fromisoformat(stamp.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except ValueError, OverflowError:
        return None
