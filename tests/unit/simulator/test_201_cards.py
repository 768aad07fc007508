"""Who may charge: the reader, the cache, groups, remote start and stop."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import ManualClock

from .csms import Csms
from .server import ID
from .station201 import (
    ACCEPTED,
    CARD,
    REJECTED,
    Dial,
    charging,
    csms,
    dial,
    profile,
    running_id,
    token,
)

__all__ = ["csms", "dial"]

FAMILY = {"idToken": "FAMILY", "type": "Central"}


async def test_taps(csms: Csms, dial: Dial) -> None:
    station = await dial()
    assert await station.tap(CARD) == "waiting"
    assert await station.tap(CARD.lower()) == "cancelled"
    await station.plug(1, "family")
    assert await station.tap(CARD) == "started"
    assert await station.tap("04EE") == "busy"
    assert await station.tap(CARD) == "stopped"
    csms.tags["04EE"] = {"status": "Blocked"}
    assert await station.tap("04EE") == "refused"
    assert [(line["card"], line["status"]) for line in station.books.refused] == [
        ("04EE", "Blocked")
    ]
    await csms.call("ChangeAvailability", {"operationalStatus": "Inoperative"})
    assert await station.tap(CARD) == "ignored"
    with pytest.raises(ValueError, match="no EVSE 2; there is 1"):
        await station.tap(CARD, 2)
    assert csms.calls("Authorize")[0] == {"idToken": token()}


async def test_a_card_for_certain_evses(csms: Csms, dial: Dial) -> None:
    csms.tags[CARD] = {"status": "Accepted", "evseId": [2]}
    station = await dial(evses=2)
    await station.plug(1, "family")
    assert await station.tap(CARD, 1) == "refused"
    assert station.books.refused[0]["status"] == "NotAtThisLocation"
    assert await station.tap(CARD) == "waiting"
    assert station.evse(2).permit is not None


async def test_families_and_masters(csms: Csms, dial: Dial) -> None:
    for card in (CARD, "04BB"):
        csms.tags[card] = {"status": "Accepted", "groupIdToken": FAMILY}
    csms.tags["04FF"] = {"status": "Accepted", "groupIdToken": {**FAMILY, "idToken": "MASTER"}}
    station = await charging(dial, variables={"AuthCtrlr.MasterPassGroupId": "master"})
    assert await station.tap("04BB") == "stopped"
    assert await station.tap("04FF") == "ignored"
    assert await station.tap(CARD) == "started"
    assert await station.tap("04FF") == "stopped"
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.events()[-1]["transactionInfo"]["stoppedReason"] == "MasterPass"
    assert csms.events()[-1]["idToken"]["idToken"] == "04FF"


async def test_the_cache(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    csms.now = clock.utc
    variables = {"AuthCtrlr.LocalPreAuthorize": "true", "AuthCacheCtrlr.LifeTime": "60"}
    station = await dial(clock=clock, tick_s=1.0, variables=variables)

    async def tap_twice() -> None:
        assert await station.tap(CARD) == "waiting"
        assert await station.tap(CARD) == "cancelled"

    await tap_twice()
    await tap_twice()
    assert len(csms.calls("Authorize")) == 1
    await clock.advance(61)
    await tap_twice()
    assert len(csms.calls("Authorize")) == 2
    assert await csms.call("ClearCache", {}) == ACCEPTED
    await tap_twice()
    assert len(csms.calls("Authorize")) == 3
    assert await csms.set("AuthCacheCtrlr", "Enabled", "false") == "Accepted"
    assert await csms.call("ClearCache", {}) == REJECTED
    csms.answers["Authorize"] = lambda _: [4, ID, "InternalError", "", {}]
    assert await station.tap(CARD) == "refused"


async def test_local_list(csms: Csms, dial: Dial) -> None:
    station = await dial(variables={"AuthCtrlr.LocalPreAuthorize": "true"})

    async def send(version: int, kind: str, *entries: Any) -> Any:
        payload = {"versionNumber": version, "updateType": kind}
        answer = await csms.call(
            "SendLocalList",
            payload | ({"localAuthorizationList": list(entries)} if entries else {}),
        )
        return answer["status"]

    def entry(card: str, status: str | None = "Accepted", **more: Any) -> Any:
        one = {"idToken": token(card)}
        return one if status is None else {**one, "idTokenInfo": {"status": status, **more}}

    assert await csms.call("GetLocalListVersion", {}) == {"versionNumber": 0}
    over = {"cacheExpiryDateTime": "2020-01-01T00:00:00Z"}
    assert await send(5, "Full", entry("04A1"), entry("04A2", **over)) == "Accepted"
    assert await csms.call("GetLocalListVersion", {}) == {"versionNumber": 5}
    assert (await csms.get("LocalAuthListCtrlr", "Entries"))["attributeValue"] == "2"
    assert await send(5, "Differential", entry("04A3")) == "VersionMismatch"
    assert await send(6, "Full", entry("04A1"), entry("04A1")) == "Failed"
    assert await send(6, "Full", entry("04A1", None)) == "Failed"
    assert await send(0, "Full") == "Failed"
    assert await send(7, "Differential", entry("04A3"), entry("04A1", None)) == "Accepted"
    assert await station.tap("04A3") == "waiting"
    assert await station.tap("04A3") == "cancelled"
    assert csms.calls("Authorize") == []
    csms.tags["04A2"] = {"status": "Expired"}
    assert await station.tap("04A2") == "refused"
    assert len(csms.calls("Authorize")) == 1
    await station.fault("offline")
    assert await station.tap("04A3") == "waiting"
    assert await station.tap("04A2") == "refused"


async def test_no_local_list(csms: Csms, dial: Dial) -> None:
    await dial(local_list=False)
    assert (await csms.call_frame("GetLocalListVersion", {}))[2] == "NotSupported"


async def test_remote_start_and_stop(csms: Csms, dial: Dial) -> None:
    station = await dial(evses=2)
    await station.plug(2, "family")
    start = {
        "remoteStartId": 77,
        "idToken": token("REMOTE", "Central"),
        "chargingProfile": profile(limit=7),
    }
    assert await csms.call("RequestStartTransaction", start) == ACCEPTED
    await station.wait_for(lambda s: s.evse(2).transaction and not len(s.outbox))
    started = csms.events()[0]
    assert started["triggerReason"] == "RemoteStart"
    assert started["transactionInfo"]["remoteStartId"] == 77
    assert started["idToken"] == token("REMOTE", "Central")
    assert csms.calls("Authorize") == []
    assert station.evse(2).evse.limit_a == 7
    stop = {"transactionId": running_id(station, 2)}
    assert await csms.call("RequestStopTransaction", stop) == ACCEPTED
    await station.wait_for(lambda _: csms.story()[-1:] == [("Ended", "RemoteStop")])
    assert csms.events()[-1]["transactionInfo"]["stoppedReason"] == "Remote"
    assert station.profiles.installed == []
    assert (await csms.call("RequestStopTransaction", stop))["status"] == "Rejected"


async def test_remote_start_of_a_transaction_that_began_with_the_plug(
    csms: Csms, dial: Dial
) -> None:
    station = await dial(tx_start_point="EVConnected")
    await station.plug(1, "family")
    start = {"remoteStartId": 78, "idToken": token(), "evseId": 1}
    answer = await csms.call("RequestStartTransaction", start)
    assert answer == {"status": "Accepted", "transactionId": running_id(station)}
    await station.wait_for(lambda _: csms.story()[-1:] == [("Updated", "RemoteStart")])
    assert csms.events()[-1]["transactionInfo"]["remoteStartId"] == 78
    assert csms.events()[-1]["idToken"] == token()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"evseId": 3}, "UnavailableEvse"),
        ({"chargingProfile": profile("TxDefaultProfile")}, "InvalidProfile"),
        ({"chargingProfile": profile(transaction_id="x")}, "InvalidProfile"),
        ({"chargingProfile": profile(level=99)}, "InvalidStackLevel"),
    ],
)
async def test_remote_starts_that_are_refused(
    csms: Csms, dial: Dial, change: dict[str, Any], reason: str
) -> None:
    await dial()
    start = {"remoteStartId": 1, "idToken": token(), **change}
    answer = await csms.call("RequestStartTransaction", start)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)


async def test_remote_start_asks_first_where_it_is_told_to(csms: Csms, dial: Dial) -> None:
    csms.tags["04BB"] = {"status": "Invalid"}
    station = await dial(variables={"AuthCtrlr.AuthorizeRemoteStart": "true"})
    start = {"remoteStartId": 1, "idToken": token("04BB")}
    assert await csms.call("RequestStartTransaction", start) == ACCEPTED
    await station.wait_for(lambda s: s.books.refused)
    assert station.evse(1).permit is None
    start = {"remoteStartId": 2, "idToken": token("04CC")}
    assert await csms.call("RequestStartTransaction", start) == ACCEPTED
    await station.wait_for(lambda s: s.evse(1).permit)


async def test_reservations(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=1.0, evses=2)
    at = "2026-03-01T00:01:00Z"

    async def reserve(number: int, **more: Any) -> str:
        payload = {"id": number, "expiryDateTime": at, "idToken": token(), **more}
        return str((await csms.call("ReserveNow", payload))["status"])

    assert await reserve(1, evseId=1) == "Accepted"
    assert await reserve(1, evseId=1) == "Accepted"  # the same again
    assert await reserve(2, evseId=1) == "Occupied"
    assert await reserve(2, evseId=9) == "Rejected"
    assert await reserve(2, evseId=2, connectorType="cCCS2") == "Rejected"
    await station.wait_for(lambda _: csms.connector_status() == "Reserved")
    assert await station.tap("04EE", 1) == "busy"
    await station.plug(1, "family")
    assert await station.tap(CARD) == "started"
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.events()[0]["reservationId"] == 1
    # Any EVSE: there is one left.
    assert await reserve(3) == "Accepted"
    await station.wait_for(lambda _: csms.connector_status(2) == "Reserved")
    assert await reserve(4) == "Occupied"
    await clock.advance(61)
    await station.wait_for(lambda _: csms.calls("ReservationStatusUpdate"))
    assert csms.calls("ReservationStatusUpdate") == [
        {"reservationId": 3, "reservationUpdateStatus": "Expired"}
    ]
    await station.wait_for(lambda _: csms.connector_status(2) == "Available")
    at = "2026-03-01T01:00:00Z"
    assert await reserve(5, evseId=2) == "Accepted"
    assert await csms.call("CancelReservation", {"reservationId": 5}) == ACCEPTED
    assert await csms.call("CancelReservation", {"reservationId": 5}) == REJECTED
    assert await reserve(6, evseId=2) == "Accepted"
    await csms.call("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 2}})
    await station.wait_for(lambda _: len(csms.calls("ReservationStatusUpdate")) == 2)
    assert csms.calls("ReservationStatusUpdate")[1]["reservationUpdateStatus"] == "Removed"
    assert await reserve(7, evseId=2) == "Unavailable"
    await station.fault("connector_error", connector=1)
    assert await reserve(7, evseId=1) == "Faulted"


async def test_no_reservations(csms: Csms, dial: Dial) -> None:
    await dial(reservations=False)
    assert (await csms.call_frame("CancelReservation", {"reservationId": 1}))[2] == "NotSupported"


async def test_customer_information(csms: Csms, dial: Dial) -> None:
    station = await dial()
    await station.tap(CARD)
    wanted = {"requestId": 4, "report": True, "clear": True, "idToken": token()}
    assert await csms.call("CustomerInformation", wanted) == ACCEPTED
    await station.wait_for(lambda _: csms.calls("NotifyCustomerInformation"))
    told = csms.calls("NotifyCustomerInformation")[0]
    assert (told["requestId"], told["seqNo"], told["tbc"]) == (4, 0, False)
    assert CARD in told["data"]
    assert await csms.call("CustomerInformation", {**wanted, "requestId": 5}) == ACCEPTED
    await station.wait_for(lambda _: len(csms.calls("NotifyCustomerInformation")) == 2)
    assert csms.calls("NotifyCustomerInformation")[1]["data"] == ""
    nobody = {"requestId": 6, "report": True, "clear": False}
    assert (await csms.call("CustomerInformation", nobody))["status"] == "Invalid"


async def test_a_reservation_is_used_by_card_before_the_plug(csms: Csms, dial: Dial) -> None:
    station = await dial(evses=2)
    reservation = {"id": 8, "expiryDateTime": "2099-01-01T00:00:00Z", "idToken": token()}
    assert await csms.call("ReserveNow", {**reservation, "groupIdToken": FAMILY}) == ACCEPTED
    csms.tags["04BB"] = {"status": "Accepted", "groupIdToken": FAMILY}
    await station.plug(1, "family")
    assert await station.tap("04CC") == "started"
    await station.plug(2, "family")
    assert await station.tap("04DD") == "busy"  # the last one is kept
    assert await station.tap("04BB") == "started"
    await station.wait_for(lambda s: not len(s.outbox))
    assert csms.events(running_id(station, 2))[0]["reservationId"] == 8


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"expiryDateTime": "soon"}, "InvalidValue"), ({"evseId": 1}, "NotEnabled")],
)
async def test_reservations_that_cannot_be(
    csms: Csms, dial: Dial, change: dict[str, Any], reason: str
) -> None:
    enabled = str(reason != "NotEnabled").lower()
    await dial(variables={"ReservationCtrlr.Enabled": enabled})
    reservation = {"id": 8, "expiryDateTime": "2099-01-01T00:00:00Z", "idToken": token()}
    answer = await csms.call("ReserveNow", {**reservation, **change})
    assert answer["statusInfo"]["reasonCode"] == reason


async def test_a_list_that_is_switched_off(csms: Csms, dial: Dial) -> None:
    await dial(variables={"LocalAuthListCtrlr.Enabled": "false"})
    answer = await csms.call("SendLocalList", {"versionNumber": 1, "updateType": "Full"})
    assert answer["status"] == "Failed"
    assert await csms.call("GetLocalListVersion", {}) == {"versionNumber": 0}


async def test_a_list_has_its_limits(csms: Csms, dial: Dial) -> None:
    station = await dial()
    many = [{"idToken": token(str(n)), "idTokenInfo": {"status": "Accepted"}} for n in range(51)]

    async def send(version: int, entries: list[Any]) -> str:
        payload = {"versionNumber": version, "updateType": "Differential"}
        payload["localAuthorizationList"] = entries
        return str((await csms.call("SendLocalList", payload))["status"])

    assert await send(1, many) == "Failed"
    for part in range(1, 5):
        entries = [{**one, "idToken": token(f"{part}-{n}")} for n, one in enumerate(many[:50])]
        assert await send(part, entries) == "Accepted"
    assert await send(5, many[:1]) == "Failed"
    assert station.internals.local_auth.list_size == 200
    listed = {"requestId": 4, "report": False, "clear": False, "idToken": token("1-1")}
    assert await csms.call("CustomerInformation", listed) == ACCEPTED
