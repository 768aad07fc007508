"""Passwords of stations, and how often somebody may try."""

from datetime import UTC, datetime, timedelta
import re

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp import attempts, passwords
from custom_components.forecourt.stations.ocpp.attempts import Attempts
from custom_components.forecourt.stations.ocpp.passwords import (
    PasswordMemory,
    generate_password,
    hash_password,
    is_slow,
    verify_password,
)

SECRET = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_SCRYPT_LOG_N", 4)


def test_a_generated_password_is_typed_without_doubt() -> None:
    made = {generate_password() for _ in range(200)}
    assert len(made) == 200
    # An AuthorizationKey has 16 to 20 characters, a BasicAuthPassword 16 to 40.
    assert all(re.fullmatch(r"[a-z2-9]{20}", one) for one in made)
    assert not set("".join(made)) & set("01lo")


@pytest.mark.parametrize("generated", [False, True])
def test_a_hash_says_nothing_and_is_never_the_same(generated: bool) -> None:
    hashed = hash_password(SECRET, generated=generated)
    assert SECRET not in hashed
    assert is_slow(hashed) is not generated
    assert hash_password(SECRET, generated=generated) != hashed
    assert verify_password(SECRET.encode(), hashed)
    assert not verify_password(b"wrong", hashed)


def test_what_people_think_of_costs_a_lot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert hash_password(SECRET).startswith("scrypt$14,8,1$")
    assert hash_password(SECRET, generated=True).startswith("sha256$")


@pytest.mark.parametrize("generated", [False, True])
@pytest.mark.parametrize("written", ["00ff10a0b1c2d3e4f5061728394a5b6c", "AA" * 20])
def test_a_hexadecimal_key_may_come_decoded_or_as_its_digits(written: str, generated: bool) -> None:
    hashed = hash_password(written, generated=generated)
    assert verify_password(written.encode(), hashed)
    assert verify_password(written.lower().encode(), hashed)
    assert verify_password(bytes.fromhex(written), hashed)
    assert not verify_password(bytes.fromhex(written)[:-1], hashed)


def test_a_generated_password_may_come_as_the_digits_that_set_it() -> None:
    """As AuthorizationKey it is sent in hexadecimal digits, which some stations keep as it is."""
    made = generate_password()
    hashed = hash_password(made, generated=True)
    assert verify_password(made.encode().hex().encode(), hashed)
    assert verify_password(made.encode().hex().upper().encode(), hashed)


def test_short_digits_are_a_password_as_they_stand() -> None:
    assert not verify_password(bytes.fromhex("abcdef"), hash_password("abcdef"))


def test_a_hash_of_another_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="set the password again"):
        verify_password(b"x", "md5$AAAA$AAAA")


def test_the_memory_knows_what_was_right_and_for_which_hash() -> None:
    memory = PasswordMemory()
    assert memory.recall("CP1", b"secret", "hash") is None
    memory.remember("CP1", b"secret", "hash")
    assert memory.recall("CP1", b"secret", "hash") is True
    assert memory.recall("CP1", b"other", "hash") is False
    assert memory.recall("CP1", b"secret", "another") is None
    assert memory.recall("CP2", b"secret", "hash") is None
    assert b"secret" not in str(vars(memory)).encode()
    memory.forget("CP1")
    memory.forget("CP1")
    assert memory.recall("CP1", b"secret", "hash") is None


# How often


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 10, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@given(st.integers(1, 50), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_nobody_gets_more_than_there_is(most: int, pauses: list[float]) -> None:
    clock = Clock()
    tries, begun, done = Attempts(clock, most), clock.at, 0
    for pause in pauses:
        clock.at += timedelta(seconds=pause)
        if not tries.wait_s("a"):
            tries.add("a")
            done += 1
    minutes = (clock.at - begun) / attempts.WINDOW
    assert done <= most * (1 + minutes) + 1e-6


@given(st.integers(1, 50), st.integers(0, 60))
def test_who_waits_as_long_as_told_may_try(most: int, more: int) -> None:
    clock = Clock()
    tries = Attempts(clock, most)
    for _ in range(most):
        assert tries.wait_s("a") == 0
        tries.add("a")
    wait_s = tries.wait_s("a")
    assert 0 < wait_s <= 60
    clock.at += timedelta(seconds=wait_s)
    assert tries.wait_s("a") == 0
    # Also when the clock was set back.
    clock.at -= timedelta(seconds=2 * wait_s + more)
    assert tries.wait_s("a") == 0


def test_who_did_not_come_for_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_KEYS", 2)
    tries = Attempts(Clock(), 1)
    for key in ("a", "b", "a", "c"):
        tries.add(key)
    assert [bool(tries.wait_s(key)) for key in ("a", "b", "c")] == [True, False, True]
