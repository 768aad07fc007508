"""The list of cards that a station holds itself: no more is written than has changed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
    TokenKind,
)
from custom_components.forecourt.stations.base import (
    CanForgetTokens,
    CanHoldTokens,
    Failure,
    HeldToken,
    StationError,
    supports,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.learned import Learned
from custom_components.forecourt.stations.ocpp.local_list import (
    WRITES_PER_DAY,
    ListLimits,
    ListMessages,
    TokenList,
)
from custom_components.forecourt.stations.ocpp.tokens import group_tag
from custom_components.forecourt.stations.ocpp.v16.messages import id_tag_info
from custom_components.forecourt.stations.ocpp.v16.orders import local_list_payload

from .conftest import MakeCentral
from .peer import Payload, Peer, Watch

KEY = b"the secret of this installation"
UNTIL = datetime(2030, 6, 1, 12, tzinfo=UTC)


def held(uid: str, **changes: Any) -> HeldToken:
    authorization = Authorization(
        status=AuthorizationStatus.ACCEPTED,
        reason=AuthorizationReason.KNOWN_USER,
        user_id="anna",
        group="user:anna",
    )
    return HeldToken(token=Token(uid), authorization=replace(authorization, **changes))


ANNAS, BENS, CARLS = held("04AA"), held("04BB"), held("04CC")
BARRED = held("04DD", status=AuthorizationStatus.BLOCKED, group=None)


class Flash:
    """The list of a station: takes what OCPP 1.6 §5.15 allows, and counts how often."""

    def __init__(self, peer: Peer, version: int = 0, **entries: Payload) -> None:
        self.peer = peer
        self.version = version
        self.entries: dict[str, Payload] = entries
        self.writes: list[Payload] = []
        peer.answers["GetLocalListVersion"] = lambda _: {"listVersion": self.told}
        peer.answers["SendLocalList"] = self.write

    @property
    def told(self) -> int:
        return self.version if self.entries else 0

    def write(self, payload: Payload) -> Payload:
        self.writes.append(payload)
        given = {one["idTag"]: one.get("idTagInfo") for one in payload["localAuthorizationList"]}
        if payload["listVersion"] <= self.version:
            return {"status": "VersionMismatch"}
        kept = self.entries if payload["updateType"] == "Differential" else {}
        self.entries = {uid: info for uid, info in (kept | given).items() if info is not None}
        self.version = payload["listVersion"]
        return {"status": "Accepted"}

    @property
    def sent(self) -> list[tuple[str, int, list[str]]]:
        return [
            (
                one["updateType"],
                one["listVersion"],
                [entry["idTag"] for entry in one["localAuthorizationList"]],
            )
            for one in self.writes
        ]


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central(key=KEY)


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[Peer]:
    async with Peer(central, "CP1") as peer:
        peer.settings["SupportedFeatureProfiles"] += ",LocalAuthListManagement"
        yield await peer.ready()


async def test_the_whole_list_comes_first_and_then_what_changed(
    station: OcppStation, peer: Peer
) -> None:
    flash = Flash(peer)
    await station.hold_tokens([ANNAS, BENS, BARRED])
    assert flash.entries == {
        "04AA": {"status": "Accepted", "parentIdTag": group_tag("user:anna")},
        "04BB": {"status": "Accepted", "parentIdTag": group_tag("user:anna")},
        "04DD": {"status": "Blocked"},
    }
    await station.hold_tokens([replace(ANNAS), CARLS, held("04BB", expires_at=UNTIL)])
    assert flash.sent == [
        ("Full", 1, ["04AA", "04BB", "04DD"]),
        ("Differential", 2, ["04CC", "04BB", "04DD"]),
    ]
    assert list(flash.entries) == ["04AA", "04BB", "04CC"]
    assert flash.entries["04BB"]["expiryDate"] == "2030-06-01T12:00:00Z"
    # Whoever may have been let in before is forgotten, since nobody knows who that was.
    assert len(peer.calls("ClearCache")) == 1


async def test_some_stations_insist_on_the_order_of_the_keys(
    station: OcppStation, peer: Peer
) -> None:
    Flash(peer)
    await station.hold_tokens([ANNAS])
    [frame] = [frame for frame in peer.frames if '"SendLocalList"' in frame]
    assert list(json.loads(frame)[3]) == ["listVersion", "localAuthorizationList", "updateType"]


async def test_what_the_station_has_is_not_sent_again(station: OcppStation, peer: Peer) -> None:
    flash = Flash(peer)
    await station.hold_tokens([ANNAS, BENS])
    peer.asked.clear()
    await station.hold_tokens([BENS, ANNAS])
    assert peer.asked == []
    # Why somebody may charge is nothing that a station is told.
    await station.hold_tokens([BENS, held("04AA", reason=AuthorizationReason.SITE_TAG)])
    assert peer.asked == []
    assert len(flash.writes) == 1


async def test_it_is_not_sent_again_after_a_restart_nor_a_reconnection(
    make_central: MakeCentral,
) -> None:
    learned: dict[str, Any] = {}
    version, entries = 0, {}
    for _ in range(2):
        central = await make_central(key=KEY, on_learned=lambda _, data: learned.update(data))
        station = central.add_station("CP1", learned=learned)
        for _ in range(2):
            async with Peer(central, "CP1") as peer:
                peer.settings["SupportedFeatureProfiles"] += ",LocalAuthListManagement"
                flash = Flash(peer, version, **entries)
                await peer.ready()
                await station.hold_tokens([ANNAS, BENS])
                await station.hold_tokens([ANNAS, BENS])
                assert len(peer.calls("GetLocalListVersion")) == 1
                assert len(flash.writes) == (version == 0)
                version, entries = flash.version, flash.entries
    assert learned["list_version"] == 1
    # No card can be read from it, nor be tried out without the key.
    assert len(learned["list_digest"]) == 64
    assert "04AA" not in json.dumps(learned)


async def test_after_a_restart_with_other_cards_all_is_sent(make_central: MakeCentral) -> None:
    central = await make_central(key=KEY)
    station = central.add_station("CP1", learned={"list_version": 7, "list_digest": "another"})
    async with Peer(central, "CP1") as peer:
        peer.settings["SupportedFeatureProfiles"] += ",LocalAuthListManagement"
        flash = Flash(peer, 7, **{"04EE": {"status": "Accepted"}})
        await peer.ready()
        await station.hold_tokens([ANNAS])
        assert flash.sent == [("Full", 8, ["04AA"])]


@pytest.mark.parametrize("version", [3, 20])
async def test_a_list_that_somebody_else_wrote_is_replaced(
    station: OcppStation, peer: Peer, version: int
) -> None:
    flash = Flash(peer)
    await station.hold_tokens([ANNAS])
    flash.version, flash.entries = version, {"04EE": {"status": "Accepted"}}
    await station.hold_tokens([ANNAS, BENS])
    assert flash.sent[1:] == [("Full", version + 1, ["04AA", "04BB"])]
    assert list(flash.entries) == ["04AA", "04BB"]


async def test_the_list_of_a_former_owner_is_emptied(station: OcppStation, peer: Peer) -> None:
    flash = Flash(peer, 5, **{"04EE": {"status": "Accepted"}})
    await station.hold_tokens([])
    assert flash.sent == [("Full", 6, [])]
    assert flash.entries == {}
    # An empty one has version 0, whatever it was sent as.
    await station.hold_tokens([ANNAS])
    assert flash.sent[1:] == [("Full", 7, ["04AA"])]


async def test_a_station_without_a_list_is_not_given_an_empty_one(
    station: OcppStation, peer: Peer
) -> None:
    flash = Flash(peer)
    await station.hold_tokens([])
    assert flash.writes == []


async def test_many_cards_are_sent_in_parts(station: OcppStation, peer: Peer) -> None:
    flash = Flash(peer)
    cards = [held(f"04{number:04}") for number in range(45)]
    await station.hold_tokens(cards)
    assert [(kind, version, len(entries)) for kind, version, entries in flash.sent] == [
        ("Full", 1, 20),
        ("Differential", 2, 20),
        ("Differential", 3, 5),
    ]
    station.list_limits = ListLimits(max_items_per_message=2)
    await station.hold_tokens([*cards, ANNAS, BENS, CARLS])
    assert flash.sent[3:] == [
        ("Differential", 4, ["04AA", "04BB"]),
        ("Differential", 5, ["04CC"]),
    ]
    assert len(flash.entries) == 48


async def test_the_limits_are_the_stations_own(central: CentralSystem) -> None:
    station = central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        peer.settings |= {
            "SupportedFeatureProfiles": "Core,LocalAuthListManagement",
            "SendLocalListMaxLength": "3",
            "LocalAuthListMaxLength": "4",
        }
        await peer.ready()
        assert station.list_limits == ListLimits(max_items_per_message=3, max_entries=4)
        flash = Flash(peer)
        await station.hold_tokens([BARRED, *(held(f"04{number}") for number in range(10, 15))])
        # Those who may charge come first; the rest is noted.
        assert flash.sent == [
            ("Full", 1, ["0410", "0411", "0412"]),
            ("Differential", 2, ["0413"]),
        ]
        assert station.notes["not all tokens fit into the list"] == 1


async def test_a_card_that_no_message_can_carry_is_left_out(
    station: OcppStation, peer: Peer
) -> None:
    flash = Flash(peer)
    await station.hold_tokens([held("0" * 21), held("1" * 20)])
    assert flash.sent == [("Full", 1, ["1" * 20])]


@pytest.mark.parametrize("word", ["VersionMismatch", "Failed", "OccurenceConstraintViolation"])
async def test_all_is_sent_where_the_changes_are_not_taken(
    station: OcppStation, peer: Peer, word: str
) -> None:
    flash = Flash(peer)
    await station.hold_tokens([ANNAS, BENS])

    def write(payload: Payload) -> Payload | str:
        if payload["updateType"] == "Full":
            return flash.write(payload)
        return word if word.startswith("Occ") else {"status": word}

    peer.answers["SendLocalList"] = write
    await station.hold_tokens([ANNAS, CARLS])
    assert flash.sent[1:] == [("Full", 3, ["04AA", "04CC"])]
    assert list(flash.entries) == ["04AA", "04CC"]


@pytest.mark.parametrize("word", ["VersionMismatch", "Failed"])
async def test_a_list_that_is_refused_is_not_sent_again_before_it_changes(
    station: OcppStation, peer: Peer, word: str
) -> None:
    flash = Flash(peer)
    peer.answers["SendLocalList"] = {"status": word}
    for _ in range(3):
        with pytest.raises(StationError) as caught:
            await station.hold_tokens([ANNAS])
        assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, word)
    assert len(peer.calls("SendLocalList")) == 1
    assert supports(station, CanHoldTokens)
    peer.answers["SendLocalList"] = flash.write
    await station.hold_tokens([ANNAS, BENS])
    assert list(flash.entries) == ["04AA", "04BB"]


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("GetLocalListVersion", {"listVersion": -1}),
        ("GetLocalListVersion", "NotImplemented"),
        ("GetLocalListVersion", "NotSupported"),
        ("SendLocalList", {"status": "NotSupported"}),
        ("SendLocalList", "NotImplemented"),
    ],
)
async def test_a_station_without_lists_lacks_the_capability(
    station: OcppStation, peer: Peer, action: str, answer: Any
) -> None:
    Flash(peer)
    peer.answers[action] = answer
    with pytest.raises(StationError) as caught:
        await station.hold_tokens([ANNAS])
    assert caught.value.failure is Failure.NOT_SUPPORTED
    assert not supports(station, CanHoldTokens)
    # It may remember whom it let in all the same.
    assert supports(station, CanForgetTokens)


async def test_when_nobody_knows_what_arrived_all_is_sent(station: OcppStation, peer: Peer) -> None:
    flash = Flash(peer)
    await station.hold_tokens([ANNAS])
    peer.impatient()

    def silent(payload: Payload) -> None:
        flash.write(payload)

    peer.answers["SendLocalList"] = silent
    with pytest.raises(StationError) as caught:
        await station.hold_tokens([ANNAS, BENS])
    assert caught.value.failure is Failure.TIMEOUT
    peer.answers["SendLocalList"] = flash.write
    await station.hold_tokens([ANNAS, BENS])
    assert flash.sent[1:] == [("Differential", 2, ["04BB"]), ("Full", 3, ["04AA", "04BB"])]


async def test_a_cache_that_cannot_be_cleared_holds_nothing_up(
    station: OcppStation, peer: Peer
) -> None:
    flash = Flash(peer)
    peer.answers["ClearCache"] = "InternalError"
    await station.hold_tokens([ANNAS])
    assert list(flash.entries) == ["04AA"]


async def test_a_list_is_written_a_number_of_times_a_day_at_most(
    station: OcppStation, peer: Peer, now: Watch
) -> None:
    flash = Flash(peer)
    for number in range(WRITES_PER_DAY):
        await station.hold_tokens([held(f"04{number:02}")])
    with pytest.raises(StationError) as caught:
        await station.hold_tokens([ANNAS])
    assert caught.value.failure is Failure.REFUSED
    assert len(flash.writes) == WRITES_PER_DAY
    now.ahead += timedelta(days=1)
    await station.hold_tokens([ANNAS])
    assert list(flash.entries) == ["04AA"]


async def test_another_firmware_may_have_lost_it(station: OcppStation, peer: Peer) -> None:
    await peer.boot(firmwareVersion="1")
    flash = Flash(peer)
    await station.hold_tokens([ANNAS])
    await peer.boot(firmwareVersion="2")
    await station.hold_tokens([ANNAS])
    assert flash.sent == [("Full", 1, ["04AA"]), ("Full", 2, ["04AA"])]


async def test_the_list_waits_for_the_end_of_the_set_up(central: CentralSystem) -> None:
    """Before that the station may not use a list, and would refuse it."""
    station = central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        peer.settings |= {
            "SupportedFeatureProfiles": "Core,LocalAuthListManagement",
            "MeterValueSampleInterval": "60",
            "LocalPreAuthorize": "true",
            "LocalAuthListEnabled": "false",
            "LocalAuthorizeOffline": "false",
        }
        Flash(peer)
        assert (await peer.boot())["status"] == "Accepted"
        assert station.online
        await station.hold_tokens([ANNAS])
        actions = [action for action, _ in peer.asked]
        assert actions.index("SendLocalList") > max(
            number for number, action in enumerate(actions) if action == "ChangeConfiguration"
        )


async def test_a_station_that_is_away_is_told_nothing(
    central: CentralSystem, station: OcppStation
) -> None:
    with pytest.raises(StationError) as caught:
        await station.hold_tokens([ANNAS])
    assert caught.value.failure is Failure.OFFLINE
    async with Peer(central, "CP1") as peer:
        peer.answers["GetConfiguration"] = None
        assert (await peer.boot())["status"] == "Accepted"
        # It goes before it is set up.
        await peer.ws.close()
        with pytest.raises(StationError) as caught:
            await station.hold_tokens([ANNAS])
    assert caught.value.failure is Failure.OFFLINE


async def test_a_station_that_goes_elsewhere_takes_no_cards_along(
    central: CentralSystem, station: OcppStation, peer: Peer
) -> None:
    flash = Flash(peer)
    await station.hold_tokens([ANNAS])
    await central.remove_station("CP1")
    assert flash.entries == {}


async def test_the_cache_is_cleared(station: OcppStation, peer: Peer) -> None:
    await station.forget_cached_tokens()
    assert peer.calls("ClearCache") == [{}]
    peer.answers["ClearCache"] = {"status": "Rejected"}
    with pytest.raises(StationError) as caught:
        await station.forget_cached_tokens()
    assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, "Rejected")


# --- whatever changes -----------------------------------------------------------------------------

uids = st.sampled_from([f"04{number:02}" for number in range(8)])
tokens = st.builds(
    held,
    uids,
    status=st.sampled_from([AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED]),
    group=st.sampled_from([None, "group:family"]),
    expires_at=st.sampled_from([None, UNTIL]),
)
lists = st.lists(tokens, unique_by=lambda one: one.token.uid, max_size=8)


class Box:
    """A station in a few lines, for many examples."""

    def __init__(self) -> None:
        self.lacks: set[type] = set()
        self.version = 0
        self.entries: dict[str, Payload] = {}
        self.asked: list[str] = []

    async def ask(self, action: str, payload: Payload) -> Payload:
        self.asked.append(action)
        if action == "GetLocalListVersion":
            return {"listVersion": self.version if self.entries else 0}
        if action == "SendLocalList":
            assert payload["listVersion"] > self.version
            assert len(payload["localAuthorizationList"]) <= 3
            self.version = payload["listVersion"]
            if payload["updateType"] == "Full":
                self.entries = {}
            for one in payload["localAuthorizationList"]:
                if "idTagInfo" in one:
                    self.entries[one["idTag"]] = one["idTagInfo"]
                else:
                    del self.entries[one["idTag"]]
        return {"status": "Accepted"}


@given(steps=st.lists(lists, max_size=6))
def test_the_station_has_what_it_shall_after_any_change(
    steps: Sequence[Sequence[HeldToken]],
) -> None:
    box = Box()
    tokens = TokenList(lambda: UNTIL, Learned(), Counter(), KEY)
    messages = ListMessages(payload=local_list_payload, version_field="listVersion", max_uid=20)
    limits = ListLimits(max_items_per_message=3)
    for step in steps:
        asyncio.run(tokens.hold(step, box, messages, limits))
        assert box.entries == {one.token.uid: id_tag_info(one.authorization) for one in step}
        box.asked.clear()
        asyncio.run(tokens.hold(step, box, messages, limits))
        assert "SendLocalList" not in box.asked


@pytest.mark.parametrize(
    ("text", "count"),
    [("20", 20), (" 7 ", 7), ("", None), (None, None), ("-1", None), ("many", None), ("²", None)],
)
def test_a_limit_that_makes_no_sense_is_none(text: str | None, count: int | None) -> None:
    assert ListLimits.told(text, text) == ListLimits(max_items_per_message=count, max_entries=count)


def test_the_way_a_card_is_read_is_part_of_what_was_sent() -> None:
    """Stations of OCPP 2.x are told, so they must be told of a change."""
    tokens = TokenList(lambda: UNTIL, Learned(), Counter(), KEY)
    other = replace(ANNAS, token=Token("04AA", TokenKind.CARD_15693))
    assert other == ANNAS
    assert tokens._digest({"04AA": ANNAS}) != tokens._digest({"04AA": other})
