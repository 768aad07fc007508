"""Firmware versions of boxes: which readings and orders one has."""

import re

# The name of a model may have numbers as well, so one with dots is preferred.
_VERSION = re.compile(r"\d{1,9}(?:\.\d{1,9}){1,5}")
_NUMBER = re.compile(r"\d{1,9}")


def version_of(text: str) -> tuple[int, ...] | None:
    """Return the numbers of the first version in a text, without zeros at its end."""
    found = _VERSION.search(text) or _NUMBER.search(text)
    if found is None:
        return None
    numbers = [int(part) for part in found[0].split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def within(firmware: str | None, from_firmware: str | None, to_firmware: str | None) -> bool:
    """Whether a firmware has what is bounded so (`to_firmware` excluded).

    A firmware that is unknown or has no number is taken for a new one: most boxes are, and the
    probe at start-up finds out.
    """
    version = version_of(firmware or "")
    if version is None:
        return to_firmware is None
    low, high = version_of(from_firmware or ""), version_of(to_firmware or "")
    return (low is None or version >= low) and (high is None or version < high)
