"""Who gets in, and what is remembered of those who tried."""

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import threading
import time
from typing import Any

import pytest

from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.stations.ocpp import attempts, door as door_module, passwords
from custom_components.forecourt.stations.ocpp.certificates import CertificateFacts
from custom_components.forecourt.stations.ocpp.credentials import (
    Credentials,
    Proof,
    SecurityProfile,
    Shown,
)
from custom_components.forecourt.stations.ocpp.door import (
    IDENTITY,
    Cause,
    Door,
    Knock,
    Refusal,
    printable,
)
from custom_components.forecourt.stations.ocpp.passwords import hash_password

from .peer import Watch, cheap_hash

SECRET = "correct horse battery"
HASH = cheap_hash(SECRET)
OPEN = Credentials()
LOCKED = Credentials(password_hash=HASH)


def basic(user: str, password: str | bytes) -> str:
    secret = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()


@pytest.fixture
def door(now: Watch) -> Door:
    return Door(now)


async def judged(
    door: Door, identity: str, address: str, authorization: str | None, **shown: Any
) -> Refusal | None:
    """Return why an identity does not get in."""
    verdict = await door.judge(
        identity, Shown(address=address, authorization=authorization, **shown)
    )
    return verdict if isinstance(verdict, Refusal) else None


def stranger(number: int) -> StationInfo:
    return StationInfo(id=f"CP{number}", protocol="ocpp1.6")


async def test_a_known_station_without_a_password_comes_in(door: Door) -> None:
    door.admit("CP1", OPEN)
    assert await judged(door, "CP1", "10.0.0.1", None) is None
    assert await judged(door, "CP1", "10.0.0.1", basic("CP1", "whatever")) is None


async def test_a_station_with_a_password_has_to_show_it(door: Door) -> None:
    door.admit("CP1", LOCKED)
    assert await judged(door, "CP1", "a", basic("CP1", SECRET)) is None
    assert await judged(door, "CP1", "a", None) == Refusal(Cause.PASSWORD_MISSING)
    assert await judged(door, "CP1", "a", basic("CP1", "wrong")) == Refusal(Cause.WRONG_PASSWORD)


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
    door.admit("CP1", LOCKED)
    refusal = await judged(door, "CP1", "a", header)
    assert refusal is not None
    assert refusal.cause is Cause.WRONG_PASSWORD
    assert SECRET not in refusal.detail


async def test_an_identity_may_hold_a_colon(door: Door) -> None:
    door.admit("DE:1", LOCKED)
    assert await judged(door, "DE:1", "a", basic("DE:1", SECRET)) is None


async def test_many_wrong_passwords_have_to_wait_a_minute(door: Door, now: Watch) -> None:
    door.admit("CP1", LOCKED)
    for _ in range(door_module.MAX_FAILURES_PER_STATION):
        await judged(door, "CP1", "a", basic("CP1", "wrong"))
    refusal = await judged(door, "CP1", "a", basic("CP1", SECRET))
    assert refusal is not None
    assert refusal.cause is Cause.TOO_MANY
    # Neither another address nor a minute later.
    assert await judged(door, "CP1", "b", basic("CP1", SECRET)) is None
    now.ahead += timedelta(seconds=61)
    assert await judged(door, "CP1", "a", basic("CP1", SECRET)) is None


async def test_right_passwords_do_not_count(door: Door) -> None:
    door.admit("CP1", LOCKED)
    for _ in range(door_module.MAX_FAILURES_PER_STATION + 2):
        assert await judged(door, "CP1", "a", basic("CP1", SECRET)) is None


async def test_wrong_passwords_at_once_do_not_get_around_the_limit(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bytes] = []

    def check(presented: bytes, _: str) -> bool:
        checked.append(presented)
        time.sleep(0.005)
        return False

    monkeypatch.setattr(door_module, "verify_password", check)
    door.admit("CP1", LOCKED)
    header = basic("CP1", "wrong")
    await asyncio.gather(*[judged(door, "CP1", "a", header) for _ in range(40)])
    # One more may have begun before the last of them was known to be wrong.
    most = door_module.MAX_FAILURES_PER_STATION + door_module.MAX_CHECKS - 1
    assert door_module.MAX_FAILURES_PER_STATION <= len(checked) <= most


async def test_who_is_right_is_not_refused_for_being_many(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "verify_password", lambda *_: True)
    names = [f"CP{number}" for number in range(3 * door_module.MAX_FAILURES_PER_ADDRESS)]
    for name in names:
        door.admit(name, LOCKED)
    refusals = [judged(door, name, "proxy", basic(name, SECRET)) for name in names]
    assert set(await asyncio.gather(*refusals)) == {None}


async def test_who_was_right_before_does_not_pay_for_others_at_its_address(
    door: Door, now: Watch
) -> None:
    """After a cut of power, with a dozen misconfigured stations behind the same router."""
    names = [f"CP{number}" for number in range(20)]
    for name in names:
        door.admit(name, LOCKED)
    assert await judged(door, "CP0", "router", basic("CP0", SECRET)) is None
    for name in names[1:]:
        for _ in range(door_module.MAX_FAILURES_PER_STATION):
            await judged(door, name, "router", basic(name, "wrong"))
    refusal = await judged(door, "CP1", "router", basic("CP1", SECRET))
    assert refusal is not None
    assert refusal.cause is Cause.TOO_MANY, "nobody knows yet that it is right"
    assert await judged(door, "CP0", "router", basic("CP0", SECRET)) is None
    refusal = await judged(door, "CP0", "router", basic("CP0", "wrong"))
    assert refusal is not None
    assert refusal.cause is Cause.TOO_MANY
    # A password that is to follow the one it has changes nothing about that.
    door.admit("CP0", replace(LOCKED, next_password_hash=cheap_hash("next one")))
    assert await judged(door, "CP0", "router", basic("CP0", SECRET)) is None


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
        door.admit(f"CP{number}", LOCKED)
    waiting = [
        judged(door, f"CP{number}", "a", basic(f"CP{number}", SECRET)) for number in range(8)
    ]
    assert await asyncio.gather(*waiting) == [None] * 8
    assert most == door_module.MAX_CHECKS


async def test_a_forgotten_station_is_a_stranger(door: Door) -> None:
    door.admit("CP1", LOCKED)
    door.forget("CP1")
    door.forget("CP1")
    assert await judged(door, "CP1", "a", None) is None


async def test_what_was_proved_may_not_be_enough_any_more(door: Door) -> None:
    door.admit("CP1", LOCKED)
    proof = await door.judge("CP1", Shown(address="a", authorization=basic("CP1", SECRET)))
    assert isinstance(proof, Proof)
    assert door.accepts("CP1", proof)
    door.admit("CP1", OPEN)
    assert door.accepts("CP1", proof)
    door.admit("CP1", Credentials(password_hash=cheap_hash("another password")))
    assert not door.accepts("CP1", proof)
    assert not door.accepts("CP1", Proof())
    assert door.accepts("CP2", Proof()), "a stranger may wait"


# A password that was right is checked again at no cost


async def test_a_password_is_found_out_only_once(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.admit("CP1", LOCKED)
    assert await judged(door, "CP1", "a", basic("CP1", SECRET)) is None

    def check(*_: Any) -> bool:
        raise AssertionError("it is known")

    monkeypatch.setattr(door_module, "verify_password", check)
    assert await judged(door, "CP1", "a", basic("CP1", SECRET)) is None
    assert await judged(door, "CP1", "a", basic("CP1", "wrong")) == Refusal(Cause.WRONG_PASSWORD)
    assert SECRET not in str(vars(door._passwords))
    # Another password, or another station of that name, is another matter.
    door.admit("CP1", Credentials(password_hash=cheap_hash(SECRET)))
    with pytest.raises(AssertionError):
        await judged(door, "CP1", "a", basic("CP1", SECRET))
    door.admit("CP1", LOCKED)
    door.forget("CP1")
    door.admit("CP1", LOCKED)
    with pytest.raises(AssertionError):
        await judged(door, "CP1", "a", basic("CP1", SECRET))


async def test_a_password_that_is_known_waits_for_no_other(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated = hash_password(SECRET, generated=True)
    door.admit("CP0", LOCKED)
    door.admit("NEW", Credentials(password_hash=generated))
    assert await judged(door, "CP0", "a", basic("CP0", SECRET)) is None
    told = threading.Event()
    slow = passwords.verify_password

    def check(presented: bytes, password_hash: str) -> bool:
        if password_hash == HASH:
            told.wait(5)
        return slow(presented, password_hash)

    monkeypatch.setattr(door_module, "verify_password", check)
    for number in range(1, 6):
        door.admit(f"CP{number}", LOCKED)
    waiting = [
        asyncio.create_task(judged(door, f"CP{number}", "a", basic(f"CP{number}", SECRET)))
        for number in range(1, 6)
    ]
    await asyncio.sleep(0)
    assert await judged(door, "CP0", "a", basic("CP0", SECRET)) is None
    assert await judged(door, "NEW", "a", basic("NEW", SECRET)) is None
    assert await judged(door, "NEW", "a", basic("NEW", "no")) == Refusal(Cause.WRONG_PASSWORD)
    assert not any(task.done() for task in waiting)
    told.set()
    assert await asyncio.gather(*waiting) == [None] * 5


# Security profiles


CERTIFICATE = CertificateFacts(
    common_name="CP1",
    organization=None,
    issuer="CN=Forecourt CA",
    serial_number="00aabbccddee",
    fingerprint="f1",
    not_before=datetime(2020, 1, 1, tzinfo=UTC),
    not_after=datetime(2100, 1, 1, tzinfo=UTC),
)
BY_CERTIFICATE = Credentials(
    security_profile=SecurityProfile.CERTIFICATE, certificates=frozenset({"f1"})
)
ENCRYPTED = Credentials(security_profile=SecurityProfile.TLS_PASSWORD, password_hash=HASH)


def test_a_profile_with_a_password_needs_one() -> None:
    for profile in (SecurityProfile.PASSWORD, SecurityProfile.TLS_PASSWORD):
        with pytest.raises(ValueError, match="needs a password"):
            Credentials(security_profile=profile)
    assert LOCKED.least is SecurityProfile.PASSWORD
    assert HASH not in repr(LOCKED)


@pytest.mark.parametrize("certificate", [None, CERTIFICATE])
async def test_without_tls_a_password_does_not_help(
    door: Door, certificate: CertificateFacts | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not even looked at: an answer would tell an eavesdropper that it was right."""
    monkeypatch.setattr(door_module, "verify_password", lambda *_: pytest.fail("looked at"))
    for credentials in (ENCRYPTED, BY_CERTIFICATE):
        door.admit("CP1", credentials)
        refusal = await judged(door, "CP1", "a", basic("CP1", SECRET))
        assert refusal == Refusal(Cause.INSECURE, "came without TLS: use wss://")


async def test_with_tls_the_password_counts(door: Door) -> None:
    door.admit("CP1", ENCRYPTED)
    shown = Shown(address="a", is_encrypted=True, authorization=basic("CP1", SECRET))
    proof = await door.judge("CP1", shown)
    assert isinstance(proof, Proof)
    assert door.profile_of("CP1", proof) is SecurityProfile.TLS_PASSWORD
    assert await judged(door, "CP1", "a", None, is_encrypted=True) == Refusal(
        Cause.PASSWORD_MISSING
    )
    assert await judged(door, "CP1", "a", basic("CP1", "no"), is_encrypted=True) == Refusal(
        Cause.WRONG_PASSWORD
    )


@pytest.mark.parametrize("credentials", [OPEN, LOCKED, ENCRYPTED, BY_CERTIFICATE])
async def test_a_certificate_opens_every_door(door: Door, credentials: Credentials) -> None:
    door.admit("CP1", credentials)
    proof = await door.judge("CP1", Shown(address="a", is_encrypted=True, certificate=CERTIFICATE))
    assert isinstance(proof, Proof)
    assert door.profile_of("CP1", proof) is SecurityProfile.CERTIFICATE


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (None, "it has none"),
        (replace(CERTIFICATE, common_name="CP2"), "it is for CP2"),
        (replace(CERTIFICATE, common_name=None), "it is for None"),
        (replace(CERTIFICATE, fingerprint="f2"), "it was replaced or revoked: …bbccddee"),
        (replace(CERTIFICATE, not_after=datetime(2021, 1, 1, tzinfo=UTC)), "it is not valid now"),
        (replace(CERTIFICATE, not_before=datetime(2099, 1, 1, tzinfo=UTC)), "it is not valid now"),
    ],
)
async def test_only_the_right_certificate_counts(
    door: Door, certificate: CertificateFacts | None, why: str
) -> None:
    door.admit("CP1", BY_CERTIFICATE)
    shown: Any = {"is_encrypted": True, "certificate": certificate}
    refusal = await judged(door, "CP1", "a", basic("CP1", SECRET), **shown)
    assert refusal is not None
    assert refusal.cause is Cause.CERTIFICATE
    assert refusal.detail == why
    # Where a password is enough, a certificate that is not does no harm.
    door.admit("CP1", replace(ENCRYPTED, certificates=frozenset({"f1"})))
    assert await judged(door, "CP1", "a", basic("CP1", SECRET), **shown) is None
    assert await judged(door, "CP1", "a", None, **shown) == Refusal(Cause.PASSWORD_MISSING)


async def test_a_certificate_can_be_revoked(door: Door) -> None:
    door.admit("CP1", BY_CERTIFICATE)
    shown = Shown(address="a", is_encrypted=True, certificate=CERTIFICATE)
    proof = await door.judge("CP1", shown)
    assert isinstance(proof, Proof)
    door.admit("CP1", replace(BY_CERTIFICATE, certificates=frozenset({"f2"})))
    assert not door.accepts("CP1", proof)
    assert isinstance(await door.judge("CP1", shown), Refusal)
    door.admit("CP1", replace(BY_CERTIFICATE, certificates=None))
    assert door.accepts("CP1", proof), "any of the authority"


async def test_a_stranger_keeps_what_it_proved(door: Door) -> None:
    proof = await door.judge("CP1", Shown(address="a", is_encrypted=True, certificate=CERTIFICATE))
    assert isinstance(proof, Proof)
    door.admit("CP1", BY_CERTIFICATE)
    assert door.accepts("CP1", proof)


# Too many attempts, and who comes over the Internet


def test_who_dials_in_a_tight_loop_has_to_slow_down(door: Door, now: Watch) -> None:
    for _ in range(door_module.MAX_ATTEMPTS_PER_STATION):
        assert door.refuse_haste("10.0.0.1", "CP1") is None
    refusal = door.refuse_haste("10.0.0.1", "CP1")
    assert refusal is not None
    assert refusal.cause is Cause.TOO_MANY
    assert refusal.retry_after_s is not None
    # Nobody else suffers, and being refused does not make it longer.
    assert door.refuse_haste("10.0.0.1", "CP2") is None
    assert door.refuse_haste("10.0.0.2", "CP1") is None
    now.ahead += timedelta(seconds=refusal.retry_after_s)
    assert door.refuse_haste("10.0.0.1", "CP1") is None


def test_one_address_has_room_for_hundreds_of_stations(door: Door) -> None:
    refusals = [
        door.refuse_haste("10.0.0.1", f"CP{number}") for _ in range(5) for number in range(200)
    ]
    assert refusals == [None] * 1000


def test_one_address_cannot_try_without_end() -> None:
    door = Door(lambda: datetime(2026, 10, 5, tzinfo=UTC))
    refusals = [
        door.refuse_haste("2001:db8::1", f"CP{number}")
        for number in range(door_module.MAX_ATTEMPTS_PER_ADDRESS + 1)
    ]
    assert refusals[-1] is not None
    assert refusals[-2] is None
    assert door.refuse_haste("2001:db8::2") is not None, "the same subscriber"
    assert door.refuse_haste("2001:db8:0:1::2") is None
    assert all(len(one._buckets) <= attempts.MAX_KEYS for one in door._attempts)


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.1.1", False),
        ("fd00::1", False),
        ("fe80::1%eth0", False),
        ("unknown", False),
    ],
)
async def test_who_comes_over_the_internet_is_told(door: Door, address: str, exposed: bool) -> None:
    expected = [Cause.EXPOSED] if exposed else []
    await judged(door, "CP1", address, None)
    assert [knock.cause for knock in door.knocks] == expected
    door.admit("CP2", OPEN)
    await judged(door, "CP2", address, None, is_encrypted=True)
    assert [knock.cause for knock in door.knocks] == expected * 2
    if exposed:
        details = [knock.detail for knock in door.knocks]
        assert details == ["without encryption", "without a password"]
    # With both nobody needs to worry.
    door.admit("CP3", ENCRYPTED)
    header = basic("CP3", SECRET)
    assert await judged(door, "CP3", address, header, is_encrypted=True) is None
    assert await judged(door, "CP4", address, None, is_encrypted=True) is None, "it waits"
    assert len(door.knocks) == len(expected) * 2


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
    door.admit("CP1", OPEN)
    assert not door.pending


def test_a_stranger_that_stays_away_is_forgotten(now: Watch) -> None:
    gone: list[str] = []
    door = Door(now, gone.append)
    for number in range(4):
        door.welcome(stranger(number))
    door.leave("CP0")
    now.ahead += timedelta(hours=20)
    door.leave("CP1")
    door.admit("CP2", OPEN)
    now.ahead += timedelta(hours=5)
    door.welcome(stranger(5))
    assert list(door.pending) == ["CP1", "CP3", "CP5"]
    now.ahead += timedelta(hours=20)
    door.leave("CP2")
    # Neither who became a station nor who is still there.
    assert gone == ["CP0", "CP1"]
    assert list(door.pending) == ["CP3", "CP5"]


def test_the_room_for_strangers_is_bounded(now: Watch) -> None:
    gone: list[str] = []
    door = Door(now, gone.append)
    for number in range(door_module.MAX_PENDING):
        assert door.welcome(stranger(number))
    assert not door.welcome(stranger(99))
    assert door.welcome(stranger(3)), "one that waits already needs no new place"
    door.leave("CP5")
    now.ahead += timedelta(seconds=1)
    door.leave("CP4")
    assert door.welcome(stranger(99))
    assert "CP5" not in door.pending, "it went first"
    assert gone == ["CP5"]
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
