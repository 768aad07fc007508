"""Who may charge, who may stop, and when the site acts by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.access.authorize import (
    Register,
    TokenRecord,
    group_of,
    guard,
    judge,
    keep_free,
    limit_sessions,
    may_stop,
    may_use,
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
from custom_components.forecourt.core.model.reservation import Reservation
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
LATER = NOON + timedelta(hours=1)

ANNA = User(id="anna", name="Anna", group="family")
BEN = User(id="ben", name="Ben", group="family")
CARL = User(id="carl", name="Carl")
DORA = User(id="dora", name="Dora")
USERS = {user.id: user for user in (ANNA, BEN, CARL, DORA)}

CARD, CARLS, BARRED, LEFT = Token("04AA11"), Token("04CC33"), Token("04BB22"), Token("04EE55")
GUEST, OLD = Token("04DD77"), Token("04DD88")
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
            TokenRecord(token=GUEST, user_id="dora", expires_at=LATER),
            TokenRecord(token=OLD, user_id="dora", expires_at=NOON),
        )
    },
    virtual={SITE_TAG: None, CARLS_TAG: "carl", GHOST_TAG: "who left"},
)

ACCEPTED, BLOCKED, CONCURRENT, EXPIRED, INVALID = (
    AuthorizationStatus.ACCEPTED,
    AuthorizationStatus.BLOCKED,
    AuthorizationStatus.CONCURRENT,
    AuthorizationStatus.EXPIRED,
    AuthorizationStatus.INVALID,
)
KNOWN = Authorization(
    status=ACCEPTED, reason=AuthorizationReason.KNOWN_USER, user_id="anna", group="group:family"
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
    assert judge(token, REGISTER, NOON) == Authorization(
        status=status, reason=reason, user_id=user_id, group=group
    )
    assert judge(token, REGISTER, NOON).accepted == (status is ACCEPTED)


@given(st.timedeltas(min_value=-timedelta(days=9), max_value=timedelta(days=9)))
def test_a_token_is_good_until_its_time_is_over(after: timedelta) -> None:
    answer = judge(GUEST, REGISTER, LATER + after)
    if after < timedelta(0):
        assert (answer.status, answer.expires_at) == (ACCEPTED, LATER)
    else:
        assert answer == Authorization(
            status=EXPIRED, reason=AuthorizationReason.EXPIRED_TOKEN, user_id="dora"
        )


def test_a_barred_card_is_barred_also_when_its_time_is_over() -> None:
    record = TokenRecord(token=CARD, user_id="anna", blocked=True, expires_at=NOON)
    assert judge(CARD, Register(USERS, {CARD: record}, {}), LATER).status is BLOCKED


def test_a_user_and_a_group_of_the_same_name_are_not_the_same() -> None:
    assert group_of(replace(CARL, id="family")) != group_of(ANNA) == group_of(BEN)


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


# --- what a tap may begin -------------------------------------------------------------------------

RECORD = TokenRecord(token=CARD, user_id="anna")


@given(
    st.sampled_from(AuthorizationStatus),
    st.none() | st.integers(1, 5),
    st.integers(0, 9),
)
def test_a_token_charges_no_more_cars_than_it_may(
    status: AuthorizationStatus, max_sessions: int | None, elsewhere: int
) -> None:
    authorization = replace(KNOWN, status=status)
    record = replace(RECORD, max_sessions=max_sessions)
    answer = limit_sessions(authorization, record, elsewhere=elsewhere)
    if status is ACCEPTED and max_sessions is not None and elsewhere >= max_sessions:
        assert answer == Authorization(
            status=CONCURRENT, reason=AuthorizationReason.CHARGING_ELSEWHERE, user_id="anna"
        )
    else:
        assert answer == authorization


@given(st.integers(0, 9))
def test_the_tags_of_the_site_are_not_counted(elsewhere: int) -> None:
    assert limit_sessions(KNOWN, None, elsewhere=elsewhere) == KNOWN


def held_for(user: User | None) -> Reservation | None:
    if user is None:
        return None
    return Reservation(
        id=1, evse=EVSE, token=CARD, until=LATER, user_id=user.id, group=group_of(user)
    )


@pytest.mark.parametrize(
    ("shown", "held", "may"),
    [
        (CARD, ANNA, True),
        (CARD, BEN, True),
        (CARD, CARL, False),
        (CARLS, CARL, True),
        (CARLS, ANNA, False),
        (CARLS_TAG, CARL, True),
        (SITE_TAG, CARL, False),
    ],
)
def test_an_outlet_is_kept_for_the_user_and_the_group(shown: Token, held: User, may: bool) -> None:
    authorization, reservation = judge(shown, REGISTER, NOON), held_for(held)
    assert reservation is not None
    assert may_use(authorization, reservation) is may
    answer = keep_free(authorization, reservation)
    assert (answer == authorization) is may
    if not may:
        assert answer == Authorization(
            status=INVALID,
            reason=AuthorizationReason.RESERVED,
            user_id=authorization.user_id,
        )


def test_nobody_keeps_an_outlet_from_anybody() -> None:
    nobody = Reservation(id=1, evse=EVSE, token=CARD, until=LATER)
    site = judge(SITE_TAG, REGISTER, NOON)
    assert not may_use(site, nobody)
    assert keep_free(site, None) == site


users = st.sampled_from([None, ANNA, BEN, CARL, DORA])


@given(
    user=users,
    status=st.sampled_from(AuthorizationStatus),
    owners=st.lists(users, max_size=3),
    free=st.lists(users.map(held_for), max_size=3),
    max_sessions=st.none() | st.integers(1, 3),
    elsewhere=st.integers(0, 3),
)
def test_a_tap_is_let_in_where_it_can_end_a_charge_or_begin_one(
    *,
    user: User | None,
    status: AuthorizationStatus,
    owners: list[User | None],
    free: list[Reservation | None],
    max_sessions: int | None,
    elsewhere: int,
) -> None:
    shown = Authorization(
        status=status,
        reason=AuthorizationReason.KNOWN_USER,
        user_id=user.id if user else None,
        group=group_of(user) if user else None,
    )
    answer = guard(
        shown,
        user=user,
        owners=owners,
        free=free,
        record=replace(RECORD, max_sessions=max_sessions),
        elsewhere=elsewhere,
    )
    can_end = any(may_stop(user, owner) for owner in owners)
    too_many = max_sessions is not None and elsewhere >= max_sessions
    can_begin = any(held is None or may_use(shown, held) for held in free) and not too_many
    nothing_known = not owners and not free and not too_many
    if not shown.accepted or can_end or can_begin or nothing_known:
        assert answer == shown
        return
    assert not answer.accepted
    assert (answer.user_id, answer.group) == (shown.user_id, None)
    assert answer.reason is (
        AuthorizationReason.CHARGING_ELSEWHERE
        if too_many
        else AuthorizationReason.RESERVED
        if free
        else AuthorizationReason.OTHER_USERS_SESSION
    )


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
