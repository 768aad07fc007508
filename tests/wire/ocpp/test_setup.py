"""What a station is asked and told when it connects."""

from dataclasses import replace
import json
from typing import Any

import pytest

from custom_components.forecourt.stations.base import CanHoldTokens, CanRefresh, CanReserve
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.learned import RateUnit
from custom_components.forecourt.stations.ocpp.quirks import quirks_of
from custom_components.forecourt.stations.ocpp.v16.settings import KEYS, MAX_KEYS, WANTED

from .conftest import MakeCentral
from .peer import SETTINGS, Peer

ALL = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage"
DATA = "MeterValuesSampledData"


async def connect(central: CentralSystem, **answers: Any) -> Peer:
    """Connect, get set up, and leave again."""
    async with Peer(central, "CP1") as peer:
        peer.settings |= answers.pop("settings", {})
        for key in answers.pop("without", ()):
            del peer.settings[key]
        peer.answers |= answers
        if answers.get("GetConfiguration", True) is None:
            peer.impatient()
        assert (await peer.boot(**answers.pop("boot", {})))["status"] == "Accepted"
        connection = central._connections["CP1"]
        await peer.set_up()
    await connection.finished.wait()
    return peer


def changes(peer: Peer) -> list[tuple[str, str]]:
    return [(told["key"], told["value"]) for told in peer.calls("ChangeConfiguration")]


def refuse(*values: str) -> Any:
    return lambda payload: {"status": "Rejected" if payload["value"] in values else "Accepted"}


async def test_a_station_that_is_right_is_only_read(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(central)
    assert [action for action, _ in peer.asked] == ["GetConfiguration", "TriggerMessage"]
    assert [told["key"] for told in peer.calls("GetConfiguration")] == [list(KEYS)]
    assert len(KEYS) <= MAX_KEYS
    assert station.settings == peer.settings
    assert peer.calls("TriggerMessage") == [
        {"requestedMessage": "StatusNotification", "connectorId": 1}
    ]


async def test_only_what_differs_is_changed(make_central: MakeCentral) -> None:
    central = await make_central(sample_interval_s=5)
    central.add_station("CP1")
    peer = await connect(central, settings={DATA: "Energy.Active.Import.Register"})
    assert changes(peer) == [("MeterValueSampleInterval", "5"), (DATA, ALL)]


@pytest.mark.parametrize(
    "value",
    [
        ALL + ",SoC",
        "Current.Import.L1, Current.Import.L2 ,Power.Active.Import,Energy.Active.Import.Register",
        "Energy.Active.Import.Register.L1,Power.Active.Import.L1-N,Current.Import.L1",
    ],
)
async def test_more_measurands_than_needed_are_left_alone(
    central: CentralSystem, station: OcppStation, value: str
) -> None:
    assert changes(await connect(central, settings={DATA: value})) == []


async def test_what_cannot_be_changed_is_not_tried(
    central: CentralSystem, station: OcppStation
) -> None:
    def readonly(payload: Any) -> Any:
        return {
            "configurationKey": [
                {"key": key, "readonly": True, "value": "1"} for key in payload["key"]
            ]
        }

    assert changes(await connect(central, GetConfiguration=readonly)) == []
    peer = await connect(central, without=("MeterValueSampleInterval", DATA))
    assert changes(peer) == []


async def test_a_list_that_is_refused_is_tried_piece_by_piece(
    central: CentralSystem, station: OcppStation
) -> None:
    power = "Power.Active.Import"
    told = {DATA: "SoC"}
    peer = await connect(central, settings=told, ChangeConfiguration=refuse(ALL, power))
    taken = "Energy.Active.Import.Register,Current.Import,Voltage"
    assert [value for _, value in changes(peer)] == [ALL, *ALL.split(","), taken]
    # It is not told the same again, whether it kept it or not.
    peer = await connect(central, settings={DATA: taken}, ChangeConfiguration=refuse(ALL, power))
    assert changes(peer) == []
    peer = await connect(central, settings={DATA: "SoC"}, ChangeConfiguration=refuse(ALL, power))
    assert ALL not in [value for _, value in changes(peer)]
    peer = await connect(central, settings={DATA: "SoC"}, ChangeConfiguration=refuse(ALL, power))
    assert changes(peer) == []


async def test_where_pieces_do_not_go_together_the_register_stays(
    central: CentralSystem, station: OcppStation
) -> None:
    def one_only(payload: Any) -> Any:
        return {"status": "Rejected" if "," in payload["value"] else "RebootRequired"}

    peer = await connect(central, settings={DATA: "SoC"}, ChangeConfiguration=one_only)
    assert changes(peer)[-1] == (DATA, "Energy.Active.Import.Register")


@pytest.mark.parametrize("answer", [{"status": "Rejected"}, "InternalError", "NotSupported"])
async def test_a_refused_setting_is_not_told_again(make_central: MakeCentral, answer: Any) -> None:
    central = await make_central(sample_interval_s=5)
    central.add_station("CP1")
    assert len(changes(await connect(central, ChangeConfiguration=lambda _: answer))) == 1
    assert changes(await connect(central, ChangeConfiguration=lambda _: answer)) == []
    # Unless it is another firmware.
    boot = {"firmwareVersion": "1"}
    await connect(central, ChangeConfiguration=lambda _: answer, boot=boot)
    boot = {"firmwareVersion": "2"}
    assert (
        len(changes(await connect(central, ChangeConfiguration=lambda _: answer, boot=boot))) == 1
    )


async def test_a_setting_that_is_taken_but_not_kept_is_told_once(make_central: MakeCentral) -> None:
    learned: list[dict[str, Any]] = []
    central = await make_central(
        sample_interval_s=5, on_learned=lambda _, data: learned.append(data)
    )
    central.add_station("CP1")
    told = [len(changes(await connect(central))) for _ in range(3)]
    assert told == [1, 0, 0]
    # Neither is it after a restart of this program.
    central = await make_central(sample_interval_s=5)
    central.add_station("CP1", learned=json.loads(json.dumps(learned[-1])))
    assert changes(await connect(central)) == []


async def test_what_the_site_stands_for_is_set(
    central: CentralSystem, station: OcppStation
) -> None:
    settings = {
        "StopTransactionOnInvalidId": "FALSE",
        "LocalPreAuthorize": "False",
        "AuthorizationCacheEnabled": "true",
        "LocalAuthListEnabled": "false",
        "TransactionMessageAttempts": "3",
        "ClockAlignedDataInterval": "900",
        "AuthorizeRemoteTxRequests": "false",
    }
    peer = await connect(central, settings=settings)
    assert changes(peer) == [
        ("StopTransactionOnInvalidId", "true"),
        ("AuthorizationCacheEnabled", "false"),
        ("LocalAuthListEnabled", "true"),
        ("ClockAlignedDataInterval", "0"),
        ("TransactionMessageAttempts", "10"),
    ]
    assert station.settings == peer.settings


async def test_more_attempts_than_wanted_are_left_alone(
    central: CentralSystem, station: OcppStation
) -> None:
    assert changes(await connect(central, settings={"TransactionMessageAttempts": "50"})) == []


async def test_a_list_that_a_model_is_known_for_is_not_tried_out(
    central: CentralSystem, station: OcppStation
) -> None:
    boot = {"chargePointVendor": "ABB", "firmwareVersion": "1.8.21"}
    peer = await connect(central, settings={DATA: "SoC"}, boot=boot)
    assert [value for _, value in changes(peer)] == [f"{ALL},Current.Offered"]


async def test_what_kills_a_model_is_not_asked_for(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.call("Heartbeat")
        await peer.until(lambda: peer.calls("TriggerMessage"))
        await peer.set_up()
        assert [told["requestedMessage"] for told in peer.calls("TriggerMessage")] == [
            "BootNotification",
            "StatusNotification",
        ]
    station.quirks = quirks_of(replace(station.info, vendor="Star Charge"))
    async with Peer(central, "CP1") as peer:
        await peer.call("Heartbeat")
        await peer.until(lambda: peer.calls("TriggerMessage"))
        await peer.set_up()
        assert [told["requestedMessage"] for told in peer.calls("TriggerMessage")] == [
            "StatusNotification"
        ]


async def test_what_a_station_cannot_do_by_its_own_word(
    central: CentralSystem, station: OcppStation
) -> None:
    await connect(central, settings={"SupportedFeatureProfiles": "Core,Reservation"})
    assert station.supports(CanReserve)
    assert not station.supports(CanHoldTokens)
    assert not station.supports(CanRefresh)


async def test_a_station_that_crashes_on_a_setting_is_not_told_forever(
    make_central: MakeCentral, caplog: pytest.LogCaptureFixture
) -> None:
    central = await make_central(sample_interval_s=5)
    central.add_station("CP1")
    told = []
    for _ in range(4):
        async with Peer(central, "CP1") as peer:
            peer.answers["ChangeConfiguration"] = lambda _: peer.ws._conn.transport.abort()  # type: ignore[union-attr]
            await peer.boot()
            connection = central._connections["CP1"]
            await peer.until(lambda: peer.closed.is_set() or peer.calls("TriggerMessage"))
        await connection.finished.wait()
        told.append(len(changes(peer)))
    assert told == [1, 1, 0, 0]


async def test_a_deaf_station_is_not_asked_more(
    central: CentralSystem, station: OcppStation, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await connect(central, GetConfiguration=None)
    assert len(peer.asked) == 1
    assert "Could not set up CP1: timeout (GetConfiguration)" in caplog.text


async def test_a_station_that_tells_no_configuration_is_still_asked_for_its_state(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(central, GetConfiguration="NotSupported")
    assert [action for action, _ in peer.asked] == ["GetConfiguration", "TriggerMessage"]


async def test_it_is_asked_for_the_state_of_each_outlet(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(central, settings={"NumberOfConnectors": "2"})
    assert station.info.evses == 2
    assert [told["connectorId"] for told in peer.calls("TriggerMessage")] == [1, 2]


@pytest.mark.parametrize("number", ["0", "-1", "65", "many", "", "9999999999", "²"])
async def test_a_number_of_outlets_that_cannot_be_is_ignored(
    central: CentralSystem, station: OcppStation, number: str
) -> None:
    await connect(central, settings={"NumberOfConnectors": number})
    assert station.info.evses == 1


async def test_a_station_without_triggers_is_not_asked(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(central, settings={"SupportedFeatureProfiles": "Core, SmartCharging"})
    assert not peer.calls("TriggerMessage")
    assert not station.supports(CanRefresh)


async def test_a_station_that_refuses_triggers_is_asked_once(
    central: CentralSystem, station: OcppStation
) -> None:
    settings = {"NumberOfConnectors": "3"}
    peer = await connect(central, settings=settings, TriggerMessage="NotImplemented")
    assert len(peer.calls("TriggerMessage")) == 1
    peer = await connect(central, settings=settings, TriggerMessage={"status": "Rejected"})
    assert not peer.calls("TriggerMessage")


@pytest.mark.parametrize(
    ("told", "unit"),
    [
        ("Current", RateUnit.AMPERE),
        ("Power", RateUnit.WATT),
        ("W", RateUnit.WATT),
        ("Current,Power", None),
        ("", None),
    ],
)
async def test_the_unit_of_profiles_may_be_told(
    central: CentralSystem, station: OcppStation, told: str, unit: RateUnit | None
) -> None:
    await connect(central, settings={"ChargingScheduleAllowedChargingRateUnit": told})
    assert station.learned.unit is unit


def test_the_settings_of_the_tests_are_those_that_are_wanted() -> None:
    assert set(ALL.split(",")) - set(SETTINGS[DATA].split(",")) == {"Voltage"}


# How much is asked for at once


class Sparing:
    """Tells its configuration as stations do that take so many keys at once and no more."""

    def __init__(self, peer: Peer, most: int, *, refuses: bool, names_unknown: bool) -> None:
        self.peer = peer
        self.most = most
        self.refuses = refuses
        self.names_unknown = names_unknown

    def __call__(self, payload: Any) -> Any:
        keys = payload["key"]
        if self.refuses and len(keys) > self.most:
            return "OccurenceConstraintViolation"
        known = [
            {"key": key, "readonly": False, "value": self.peer.settings[key]}
            for key in keys[: self.most]
            if key in self.peer.settings
        ]
        unknown = [key for key in keys[: self.most] if key not in self.peer.settings]
        return {"configurationKey": known} | ({"unknownKey": unknown} if self.names_unknown else {})


EVERYTHING = SETTINGS | {wanted.key: wanted.value for wanted in WANTED} | {"SecurityProfile": "1"}


@pytest.mark.parametrize("most", [1, 3, 8, 19])
@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("names_unknown", [True, False])
async def test_a_station_that_takes_few_keys_at_once_is_set_up_all_the_same(
    central: CentralSystem, station: OcppStation, most: int, *, refuses: bool, names_unknown: bool
) -> None:
    async with Peer(central, "CP1") as peer:
        peer.settings = EVERYTHING | {"AllowOfflineTxForUnknownId": "true"}
        sparing = Sparing(peer, most, refuses=refuses, names_unknown=names_unknown)
        peer.answers["GetConfiguration"] = sparing
        await peer.boot()
        await peer.set_up()
    assert station.settings == EVERYTHING
    assert changes(peer) == [("AllowOfflineTxForUnknownId", "false")]
    assert len(peer.calls("GetConfiguration")) <= len(KEYS) + 5


async def test_a_key_that_a_station_cannot_bear_costs_that_key_only(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        peer.settings = dict(EVERYTHING)
        tell = peer.answers["GetConfiguration"]
        peer.answers["GetConfiguration"] = lambda payload: (
            "InternalError" if "LocalPreAuthorize" in payload["key"] else tell(payload)
        )
        await peer.boot()
        await peer.set_up()
    known = {key: value for key, value in EVERYTHING.items() if key != "LocalPreAuthorize"}
    assert station.settings == known


async def test_a_station_that_refuses_to_tell_anything_is_not_asked_forever(
    central: CentralSystem, station: OcppStation, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await connect(central, GetConfiguration="InternalError")
    assert [len(told["key"]) for told in peer.calls("GetConfiguration")] == [20, 10, 5, 2, 1]
    assert peer.calls("TriggerMessage")
    assert "Nothing can be set in CP1: refused (InternalError" in caplog.text


async def test_keys_may_be_spelled_in_another_way(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Peer(central, "CP1") as peer:
        peer.answers["GetConfiguration"] = lambda payload: {
            "configurationKey": [
                {"key": key.upper(), "readonly": False, "value": "2"} for key in payload["key"]
            ]
        }
        await peer.boot()
        await peer.set_up()
    assert station.info.evses == 2
    assert len(peer.calls("GetConfiguration")) == 1
