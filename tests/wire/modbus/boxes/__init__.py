"""Wallboxes made of registers, from the descriptions of their makers; see `box.py`."""

from . import controllers, european, gaps, homes, inverters, small, talkers
from .box import Box

BOXES: tuple[Box, ...] = (
    *controllers.BOXES,
    *european.BOXES,
    *gaps.BOXES,
    *homes.BOXES,
    *inverters.BOXES,
    *small.BOXES,
    *talkers.BOXES,
)
