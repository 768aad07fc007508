"""Many stations that have something to show at the same moment."""

import asyncio
from functools import partial

from homeassistant.core import HomeAssistant
import pytest

from custom_components.forecourt import pace
from custom_components.forecourt.pace import Pace

from .conftest import until


async def test_at_once_while_there_is_time(hass: HomeAssistant) -> None:
    shown: list[int] = []
    shows = [partial(shown.append, number) for number in range(3)]
    one = Pace(hass)
    for show in shows:
        one.show(show)
    assert shown == [0, 1, 2]
    await asyncio.sleep(0)
    one.show(shows[0])
    assert shown == [0, 1, 2, 0]


async def test_then_one_after_the_other(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever is shown takes all the time there is.
    monkeypatch.setattr(pace, "SLICE_S", 1e-9)
    shown: list[int] = []
    shows = [partial(shown.append, number) for number in range(5)]
    one = Pace(hass)
    for show in (*shows, *shows[1:]):
        one.show(show)
    assert shown == [0]
    one.forget(shows[3])
    one.forget(shows[0])
    seen: list[list[int]] = []
    while len(shown) < 4:
        await asyncio.sleep(0)
        seen.append(list(shown))
    assert [0, 1] in seen
    assert [0, 1, 2] in seen
    for _ in range(3):
        await asyncio.sleep(0)
    assert shown == [0, 1, 2, 4]


async def test_what_is_no_news_is_shown_together(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "LATER_S", 0.01)
    shown: list[int] = []
    shows = [partial(shown.append, number) for number in range(4)]
    one = Pace(hass)
    for show in (*shows, *shows):
        one.show_later(show)
    # It became news, and another one is gone.
    one.show(shows[2])
    one.forget(shows[1])
    assert shown == [2]
    await until(lambda: len(shown) == 3)
    assert shown == [2, 0, 3]
    one.show_later(shows[0])
    one.close()
    await asyncio.sleep(0.02)
    assert shown == [2, 0, 3]


async def test_one_that_fails_keeps_nobody_from_being_shown(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    shown: list[int] = []

    def fail() -> None:
        raise ValueError("a mistake")

    one = Pace(hass)
    for show in (fail, partial(shown.append, 1)):
        one.show(show)
    assert shown == [1]
    assert "a mistake" in caplog.text


async def test_work_is_done_in_many_turns_and_others_have_theirs(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SLICE_S", 1e-9)
    done: list[str] = []
    one = Pace(hass)

    async def do(name: str) -> None:
        await one.do([partial(done.append, f"{name}{number}") for number in range(3)])

    working = asyncio.gather(do("a"), do("b"))
    seen: list[int] = []
    while not working.done():
        await asyncio.sleep(0)
        seen.append(len(done))
    assert {1, 2, 3, 4, 5, 6} <= set(seen), "one in each turn"
    assert sorted(done) == ["a0", "a1", "a2", "b0", "b1", "b2"]
