"""Makes of a good message one that is not."""

from collections.abc import Callable
import copy
import json
from random import Random
from typing import Any

type Frame = list[Any]

HUGE = "8" * 400
NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", HUGE, f"-{HUGE}.5", "01", "+1")
KINDS = (0, 1, 7, 2.0, "2", None, 10**30)


def _deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


# Made once: they are the same each time.
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    0.5,
    10**30,
    -(10**19),
    1.7e308,
    "",
    " ",
    "x" * 300,
    "💥",
    "\ud800",
    "a\ud83d",
    "\u0000",
    "NaN",
    "9999-12-31T23:59:59+14:00",
    "0000-00-00T00:00:00Z",
    "2026-02-30T25:61:00Z",
    [],
    [None],
    {},
    {"": {}},
    _deep(40),
)


def mutated(frame: Frame, chance: Random) -> Frame:
    """Return a call with one to three parts that are not as they should be."""
    frame = copy.deepcopy(frame)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(frame))
        holder, key = chance.choice(places)
        chance.choice(_WAYS)(holder, key, chance)
    return frame


def as_text(frame: Frame, chance: Random) -> str:
    """Return a frame as text, sometimes with what no encoder writes."""
    text = json.dumps(frame, ensure_ascii=chance.random() < 0.5, allow_nan=True)
    if chance.random() < 0.9:
        # No WebSocket could carry half a character but as an escape.
        return text if _is_sound(text) else json.dumps(frame)
    return chance.choice(_SPOILED)(json.dumps(frame), chance)


def junk(chance: Random) -> str:
    """Return text that is no message at all."""
    return chance.choice(_JUNK)(chance)


def _places(value: Any) -> Any:
    """Yield every holder and key of what is in a frame, the frame's own parts too."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield value, index
            yield from _places(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield value, name
            yield from _places(item)


def _replace(holder: Any, key: Any, chance: Random) -> None:
    holder[key] = copy.deepcopy(chance.choice(ODD))


def _remove(holder: Any, key: Any, chance: Random) -> None:
    del holder[key]


def _wrap(holder: Any, key: Any, chance: Random) -> None:
    holder[key] = chance.choice(([holder[key]], {"value": holder[key]}))


def _as_text(holder: Any, key: Any, chance: Random) -> None:
    holder[key] = json.dumps(holder[key])


def _add(holder: Any, key: Any, chance: Random) -> None:
    if isinstance(holder, list):
        holder.insert(key, copy.deepcopy(chance.choice(ODD)))
    else:
        holder[chance.choice(("", "extra", "customData", "\ud800", str(key).upper()))] = "x"


def _many(holder: Any, key: Any, chance: Random) -> None:
    holder[key] = [copy.deepcopy(holder[key]) for _ in range(chance.choice((2, 50, 400)))]


_WAYS: tuple[Callable[[Any, Any, Random], None], ...] = (
    *(_replace,) * 4,
    _remove,
    _wrap,
    _as_text,
    _add,
    _many,
)


def _cut(text: str, chance: Random) -> str:
    return text[: chance.randrange(len(text))]


def _swap(text: str, chance: Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice('{}[]",:\\\u00e9 0x\n') + text[at + 1 :]


def _number(text: str, chance: Random) -> str:
    return text.replace("1", chance.choice(NUMBERS), 1)


def _pad(text: str, chance: Random) -> str:
    blank = chance.choice((" ", "\n", "\t", "\ufeff"))
    return blank * chance.choice((1, 1000)) + text + blank


def _twice(text: str, chance: Random) -> str:
    return text + chance.choice(("", ",", "\n", " ")) + text


_SPOILED = (_cut, _swap, _number, _pad, _twice)

_JUNK: tuple[Callable[[Random], str], ...] = (
    lambda _: "",
    lambda _: "[",
    lambda _: "[]",
    lambda _: "{}",
    lambda _: "null",
    lambda _: "[2]",
    lambda _: "2",
    lambda _: "[" * 20_000,
    lambda _: '{"a":' * 5_000,
    lambda _: "[2," + "[" * 900 + "]" * 900 + "]",
    lambda chance: "".join(chr(chance.randrange(32, 0xD7FF)) for _ in range(40)),
    lambda chance: json.dumps([3, str(chance.random()), {"status": "Accepted"}]),
    lambda chance: json.dumps([4, str(chance.random()), "InternalError", "", {}]),
    lambda chance: json.dumps([5, str(chance.random()), "InternalError", "", {}]),
    lambda chance: json.dumps([6, str(chance.random()), "NotifyPeriodicEventStream", {}]),
    lambda chance: json.dumps([chance.choice(KINDS), "1", "Heartbeat", {}]),
    lambda chance: (
        '[2,"a","DataTransfer",{"vendorId":"x","data":"%s"}]' % ("y" * chance.choice((10, 70_000)))
    ),
)


def _is_sound(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
