"""Who gets in, and what is remembered of those who tried."""

import asyncio
import base64
from datetime import timedelta
import time
from typing import Any

import pytest

from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.stations.ocpp import door as door_module
from custom_components.forecourt.stations.ocpp.door import (
    IDENTITY,
    Cause,
    Door,
    Knock,
    Refusal,
    hash_password,
    printable,
    verify_password,
)

from .peer import Watch, cheap_hash

SECRET = "correct horse battery"
HASH = cheap_hash(SECRET)


def basic(user: str, password: str | bytes) -> str:
    secret = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()


@pytest.fixture
def door(now: Watch) -> Door:
    return Door(now)


def stranger(number: int) -> StationInfo:
    return StationInfo(id=f"CP{number}", protocol="ocpp1.6")


def test_a_hash_says_nothing_and_is_never_the_same() -> None:
    hashed = hash_password(SECRET)
    assert SECRET not in hashed
    assert hash_password(SECRET) != hashed
    assert verify_password(SECRET.encode(), hashed)
    assert not verify_password(b"wrong", hashed)


@pytest.mark.parametrize("written", ["00ff10a0b1c2d3e4f5061728394a5b6c", "AA" * 20])
def test_a_hexadecimal_key_may_come_decoded_or_as_its_digits(written: str) -> None:
    hashed = cheap_hash(written)
    assert verify_password(written.encode(), hashed)
    assert verify_password(written.lower().encode(), hashed)
    assert verify_password(bytes.fromhex(written), hashed)
    assert not verify_password(bytes.fromhex(written)[:-1], hashed)


def test_short_digits_are_a_password_as_they_stand() -> None:
    assert not verify_password(bytes.fromhex("abcdef"), cheap_hash("abcdef"))


async def test_a_known_station_without_a_password_comes_in(door: Door) -> None:
    door.admit("CP1", None)
    assert await door.judge("CP1", "10.0.0.1", None) is None
    assert await door.judge("CP1", "10.0.0.1", basic("CP1", "whatever")) is None


async def test_a_station_with_a_password_has_to_show_it(door: Door) -> None:
    door.admit("CP1", HASH)
    assert await door.judge("CP1", "a", basic("CP1", SECRET)) is None
    assert await door.judge("CP1", "a", None) == Refusal(Cause.PASSWORD_MISSING)
    assert await door.judge("CP1", "a", basic("CP1", "wrong")) == Refusal(Cause.WRONG_PASSWORD)


@pytest.mark.parametrize(
    "header",
    [
        basic("CP2", SECRET),
        basic("CP1x", SECRET),
        "Bearer abc",
        "Basic !!!",
        "Basic",
        "Basic " + base64.b64encode(SECRET.encode()).decode(),
        "Basic ü",
    ],
)
async def test_the_user_must_be_the_identity(door: Door, header: str) -> None:
    door.admit("CP1", HASH)
    refusal = await door.judge("CP1", "a", header)
    assert refusal is not None
    assert refusal.cause is Cause.WRONG_PASSWORD
    assert SECRET not in refusal.detail


async def test_an_identity_may_hold_a_colon(door: Door) -> None:
    door.admit("DE:1", HASH)
    assert await door.judge("DE:1", "a", basic("DE:1", SECRET)) is None


async def test_many_wrong_passwords_have_to_wait_a_minute(door: Door, now: Watch) -> None:
    door.admit("CP1", HASH)
    for _ in range(door_module.MAX_FAILURES_PER_STATION):
        await door.judge("CP1", "a", basic("CP1", "wrong"))
    refusal = await door.judge("CP1", "a", basic("CP1", SECRET))
    assert refusal is not None
    assert refusal.cause is Cause.TOO_MANY
    # Neither another address nor a minute later.
    assert await door.judge("CP1", "b", basic("CP1", SECRET)) is None
    now.ahead += timedelta(seconds=61)
    assert await door.judge("CP1", "a", basic("CP1", SECRET)) is None


async def test_right_passwords_do_not_count(door: Door) -> None:
    door.admit("CP1", HASH)
    for _ in range(door_module.MAX_FAILURES_PER_STATION + 2):
        assert await door.judge("CP1", "a", basic("CP1", SECRET)) is None


async def test_the_memory_of_failures_is_bounded(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "MAX_FAILURE_KEYS", 2)
    monkeypatch.setattr(door_module, "verify_password", lambda *_: False)
    door.admit("CP1", HASH)
    for number in range(20):
        await door.judge("CP1", str(number), basic("CP1", "wrong"))
    assert len(door._failures) <= 4


async def test_wrong_passwords_at_once_do_not_get_around_the_limit(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bytes] = []

    def check(presented: bytes, _: str) -> bool:
        checked.append(presented)
        time.sleep(0.005)
        return False

    monkeypatch.setattr(door_module, "verify_password", check)
    door.admit("CP1", HASH)
    header = basic("CP1", "wrong")
    await asyncio.gather(*[door.judge("CP1", "a", header) for _ in range(40)])
    # One more may have begun before the last of them was known to be wrong.
    most = door_module.MAX_FAILURES_PER_STATION + door_module.MAX_CHECKS - 1
    assert door_module.MAX_FAILURES_PER_STATION <= len(checked) <= most


async def test_who_is_right_is_not_refused_for_being_many(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "verify_password", lambda *_: True)
    names = [f"CP{number}" for number in range(3 * door_module.MAX_FAILURES_PER_ADDRESS)]
    for name in names:
        door.admit(name, HASH)
    refusals = [door.judge(name, "proxy", basic(name, SECRET)) for name in names]
    assert set(await asyncio.gather(*refusals)) == {None}


async def test_only_a_few_passwords_are_checked_at_once(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[int] = []
    most = 0

    def check(*_: Any) -> bool:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        time.sleep(0.01)
        running.pop()
        return True

    monkeypatch.setattr(door_module, "verify_password", check)
    for number in range(8):
        door.admit(f"CP{number}", HASH)
    judged = [door.judge(f"CP{number}", "a", basic(f"CP{number}", SECRET)) for number in range(8)]
    assert await asyncio.gather(*judged) == [None] * 8
    assert most == door_module.MAX_CHECKS


async def test_a_forgotten_station_is_a_stranger(door: Door) -> None:
    door.admit("CP1", HASH)
    door.forget("CP1")
    door.forget("CP1")
    assert await door.judge("CP1", "a", None) is None


def test_a_new_password_has_to_be_shown(door: Door) -> None:
    assert door.admit("CP1", None) is False
    assert door.admit("CP1", HASH) is True
    assert door.admit("CP1", HASH) is False
    assert door.admit("CP1", None) is False


def test_equal_knocks_are_one(door: Door, now: Watch) -> None:
    heard: list[Knock] = []
    stop = door.subscribe(heard.append)
    door.note("a", "CP1", Cause.DUPLICATE)
    first = door.knocks[0].at
    door.note("a", "CP2", Cause.DUPLICATE)
    now.ahead += timedelta(seconds=5)
    door.note("a", "CP1", Cause.DUPLICATE)
    assert [(knock.identity, knock.count) for knock in door.knocks] == [("CP2", 1), ("CP1", 2)]
    assert door.knocks[-1].at - first >= timedelta(seconds=5)
    assert len(heard) == 3
    stop()
    door.note("a", "CP1", Cause.DUPLICATE)
    assert len(heard) == 3


def test_only_the_latest_knocks_are_kept(door: Door) -> None:
    for number in range(door_module.MAX_KNOCKS + 5):
        door.note("a", None, Cause.WRONG_PATH, f"/{number}")
    assert len(door.knocks) == door_module.MAX_KNOCKS
    assert door.knocks[0].detail == "/5"


def test_what_strangers_send_is_made_harmless(door: Door) -> None:
    door.note("a", "x\n" * 100, Cause.BAD_IDENTITY, "\x1b[31m" + "y" * 500)
    knock = door.knocks[0]
    assert knock.identity is not None
    assert len(knock.identity) == len(knock.detail) == door_module.MAX_DETAIL
    assert (knock.identity + knock.detail).isprintable()
    assert printable("short") == "short"


def test_strangers_wait_and_introduce_themselves(door: Door) -> None:
    assert door.welcome(stranger(1))
    door.introduce(StationInfo(id="CP1", protocol="ocpp1.6", model="Box"))
    door.introduce(stranger(2))
    assert list(door.pending) == ["CP1"]
    # What is known stays when it comes again from elsewhere.
    door.leave("CP1")
    door.leave("CP2")
    assert door.welcome(StationInfo(id="CP1", protocol="ocpp1.6", address="b"))
    assert door.pending["CP1"].model == "Box"
    assert door.pending["CP1"].address == "b"
    door.admit("CP1", None)
    assert not door.pending


def test_the_room_for_strangers_is_bounded(door: Door, now: Watch) -> None:
    for number in range(door_module.MAX_PENDING):
        assert door.welcome(stranger(number))
    assert not door.welcome(stranger(99))
    assert door.welcome(stranger(3)), "one that waits already needs no new place"
    door.leave("CP5")
    now.ahead += timedelta(seconds=1)
    door.leave("CP4")
    assert door.welcome(stranger(99))
    assert "CP5" not in door.pending, "it went first"
    assert "CP4" in door.pending


@pytest.mark.parametrize(
    ("identity", "valid"),
    [
        ("CP1", True),
        ("DE*ABC*E1-2_3=4:5+6|7@8.9", True),
        ("x" * 48, True),
        ("x" * 49, False),
        ("", False),
        ("a b", False),
        ("a/b", False),
        ("ä", False),
        ("a\n", False),
    ],
)
def test_identities(identity: str, valid: bool) -> None:
    assert bool(IDENTITY.fullmatch(identity)) is valid
