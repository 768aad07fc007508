"""Tells a second central system what a station reports, and takes no orders from it.

An employer's or operator's back end sees the station as if it were connected to it. It
only looks on: who may charge and how much may flow is decided here, and what it asks of
the station is answered with a no. So the station's questions (Authorize, certificates) and
its answers to our own requests (reports) are not relayed.

What waits for the second system waits in memory only: a restart of this program loses it,
and a charge that began before is not ended over there.
"""

from .forwarder import Forwarder, State
from .target import ForwardTarget, Pace, trusting

__all__ = ["ForwardTarget", "Forwarder", "Pace", "State", "trusting"]
