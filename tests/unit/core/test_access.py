"""Who may charge, who may stop, and when the site acts by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from custom_components.forecourt.core.access.authorize import (
    Register,
    TokenRecord,
    guard,
    judge,
    may_stop,
)
from custom_components.forecourt.core.access.autostart import (
    MAX_TRIES,
    RETRY,
    SETTLE,
    TAP_HOLDS,
    Tries,
    due,
    tried,
)
from custom_components.forecourt.core.access.enrolment import WINDOW, open_window
from custom_components.forecourt.core.model.evse import EvseState, EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
    User,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVSE = EvseId("garage", 1)
SECOND = timedelta(seconds=1)

ANNA = User(id="anna", name="Anna", group="family")
BEN = User(id="ben", name="Ben", group="family")
CARL = User(id="carl", name="Carl")
DORA = User(id="dora", name="Dora")
USERS = {user.id: user for user in (ANNA, BEN, CARL, DORA)}

CARD, CARLS, BARRED, LEFT = Token("04AA11"), Token("04CC33"), Token("04BB22"), Token("04EE55")
SITE_TAG, CARLS_TAG, GHOST_TAG = Token("F00"), Token("F0C"), Token("F0E")
REGISTER = Register(
    users=USERS,
    tokens={
        record.token: record
        for record in (
            TokenRecord(token=CARD, user_id="anna"),
            TokenRecord(token=CARLS, user_id="carl"),
            TokenRecord(token=BARRED, user_id="anna", blocked=True),
            TokenRecord(token=LEFT, user_id="who left"),
        )
    },
    virtual={SITE_TAG: None, CARLS_TAG: "carl", GHOST_TAG: "who left"},
)

ACCEPTED, BLOCKED, INVALID = (
    AuthorizationStatus.ACCEPTED,
    AuthorizationStatus.BLOCKED,
    AuthorizationStatus.INVALID,
)


@pytest.mark.parametrize(
    ("token", "status", "reason", "user_id", "group"),
    [
        (CARD, ACCEPTED, AuthorizationReason.KNOWN_USER, "anna", "group:family"),
        (Token(" 04aa11 "), ACCEPTED, AuthorizationReason.KNOWN_USER, "anna", "group:family"),
        (CARLS, ACCEPTED, AuthorizationReason.KNOWN_USER, "carl", "user:carl"),
        (BARRED, BLOCKED, AuthorizationReason.BLOCKED_TOKEN, "anna", None),
        (LEFT, INVALID, AuthorizationReason.UNKNOWN_TOKEN, None, None),
        (Token("123456"), INVALID, AuthorizationReason.UNKNOWN_TOKEN, None, None),
        (Token(""), INVALID, AuthorizationReason.UNKNOWN_TOKEN, None, None),
        (SITE_TAG, ACCEPTED, AuthorizationReason.SITE_TAG, None, None),
        (CARLS_TAG, ACCEPTED, AuthorizationReason.SITE_TAG, "carl", "user:carl"),
        (GHOST_TAG, ACCEPTED, AuthorizationReason.SITE_TAG, None, None),
    ],
)
def test_a_token_is_judged_by_the_register(
    token: Token,
    status: AuthorizationStatus,
    reason: AuthorizationReason,
    user_id: str | None,
    group: str | None,
) -> None:
    assert judge(token, REGISTER) == Authorization(
        status=status, reason=reason, user_id=user_id, group=group
    )
    assert judge(token, REGISTER).accepted == (status is ACCEPTED)


def test_a_user_and_a_group_of_the_same_name_are_not_the_same() -> None:
    user = replace(CARL, id="family")
    register = Register({user.id: user}, {CARD: TokenRecord(token=CARD, user_id="family")}, {})
    assert judge(CARD, register).group != judge(CARD, REGISTER).group


@pytest.mark.parametrize(
    ("user", "owner", "may"),
    [
        (ANNA, ANNA, True),
        (ANNA, BEN, True),
        (BEN, ANNA, True),
        (ANNA, CARL, False),
        (CARL, ANNA, False),
        (CARL, DORA, False),
        (CARL, CARL, True),
        (None, ANNA, False),
        (ANNA, None, True),
        (None, None, True),
    ],
)
def test_who_may_stop_whose_charge(user: User | None, owner: User | None, may: bool) -> None:
    assert may_stop(user, owner) is may


@pytest.mark.parametrize(
    ("user", "owners", "free"),
    product([None, ANNA, CARL], [(), (ANNA,), (CARL,), (DORA, BEN), (None, DORA)], [True, False]),
)
def test_a_tap_that_could_only_stop_somebody_elses_charge_is_refused(
    user: User | None, owners: tuple[User | None, ...], free: bool
) -> None:
    accepted = Authorization(
        status=ACCEPTED,
        reason=AuthorizationReason.KNOWN_USER,
        user_id=user.id if user else None,
        group="group",
    )
    answer = guard(accepted, user=user, owners=owners, free=free)
    if free or not owners or any(may_stop(user, owner) for owner in owners):
        assert answer == accepted
    else:
        assert answer == Authorization(
            status=INVALID,
            reason=AuthorizationReason.OTHER_USERS_SESSION,
            user_id=user.id if user else None,
        )


@pytest.mark.parametrize("status", [BLOCKED, INVALID])
def test_the_guard_lets_nobody_in(status: AuthorizationStatus) -> None:
    refused = Authorization(status=status, reason=AuthorizationReason.UNKNOWN_TOKEN)
    assert guard(refused, user=ANNA, owners=[ANNA], free=True) == refused


# --- autostart ------------------------------------------------------------------------------------

READY = EvseState(
    evse=EVSE,
    online=True,
    status=EvseStatus.PREPARING,
    status_at=NOON,
    plugged_at=NOON,
)
SESSION = Session(id="s", evse=EVSE, user_id=None, started_at=NOON, currency="EUR")


def test_a_car_is_started_when_its_station_had_time_to_start_it() -> None:
    assert not due(READY, None, None, NOON + SETTLE - SECOND)
    assert due(READY, None, None, NOON + SETTLE)


@pytest.mark.parametrize(
    "state",
    [
        replace(READY, online=False),
        replace(READY, allowed=False),
        replace(READY, plugged_at=None),
        replace(READY, session=SESSION),
        *[replace(READY, status=s) for s in EvseStatus if s is not EvseStatus.PREPARING],
    ],
)
def test_no_other_car_is_started(state: EvseState) -> None:
    assert not due(state, None, None, NOON + timedelta(hours=1))


def test_a_card_that_was_shown_leaves_the_start_to_the_station_for_a_while() -> None:
    tapped_at = NOON + SECOND
    assert not due(READY, None, tapped_at, tapped_at + TAP_HOLDS - SECOND)
    assert due(READY, None, tapped_at, tapped_at + TAP_HOLDS)


def test_a_start_is_tried_some_times() -> None:
    now, tries = NOON + SETTLE, None
    for _ in range(MAX_TRIES):
        assert due(READY, tries, None, now)
        tries = tried(READY, tries, now)
        assert not due(READY, tries, None, now + RETRY - SECOND)
        now += RETRY
    assert tries == Tries(NOON, MAX_TRIES, now - RETRY)
    assert not due(READY, tries, None, now + timedelta(days=1))


def test_another_car_is_tried_anew() -> None:
    tries = Tries(NOON - timedelta(hours=1), MAX_TRIES, NOON)
    assert due(READY, tries, None, NOON + SETTLE)
    assert tried(READY, tries, NOON + SETTLE) == Tries(NOON, 1, NOON + SETTLE)


# --- enrolment ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("station_id", "at", "covered"),
    [
        ("garage", NOON, True),
        ("garage", NOON + WINDOW, True),
        ("garage", NOON + WINDOW + SECOND, False),
        ("yard", NOON, False),
    ],
)
def test_the_enrolment_window(station_id: str, at: datetime, covered: bool) -> None:
    assert open_window(EVSE, NOON).covers(station_id, at) is covered
