"""What a station of OCPP 2.0.1 is asked and told when it connects."""

from typing import Any

import pytest

from custom_components.forecourt.stations.base import (
    CanHoldTokens,
    CanRefresh,
    CanReserve,
    CanShowCost,
    CanShowPrice,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.learned import RateUnit
from custom_components.forecourt.stations.ocpp.local_list import ListLimits
from custom_components.forecourt.stations.ocpp.v201.device_model import Key
from tests.wire.ocpp.conftest import MakeCentral

from .inventory import (
    ALL,
    ENDED,
    INTERVAL,
    RATE_UNIT,
    REGISTER,
    START_POINT,
    STARTED,
    STOP_POINT,
    UPDATED,
    ModelPeer,
    Var,
    outlet,
    right,
)

POWER = "Power.Active.Import"
ITEMS = Key("DeviceDataCtrlr", "ItemsPerMessage", "GetVariables")
STATUS = {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}
EVENT = {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}


async def connect(central: CentralSystem, **changes: Any) -> ModelPeer:
    """Connect, get set up, and leave again."""
    boot = changes.pop("boot", {})
    variables = right() | changes.pop("variables", {})
    for key in changes.pop("without", ()):
        del variables[key]
    async with ModelPeer(central, variables) as peer:
        peer.answers |= changes.pop("answers", {})
        for name, value in changes.items():
            setattr(peer, name, value)
        await peer.met(**boot)
        connection = central._connections["CP1"]
    await connection.finished.wait()
    return peer


def asked(peer: ModelPeer) -> list[str]:
    return [action for action, _ in peer.asked]


async def test_a_station_that_is_right_is_only_read(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(central)
    assert asked(peer) == ["GetBaseReport", "TriggerMessage", "TriggerMessage"]
    assert peer.calls("GetBaseReport")[0]["reportBase"] == "FullInventory"
    assert peer.calls("TriggerMessage") == [STATUS, EVENT]
    assert station.settings["SampledDataCtrlr/TxUpdatedInterval"] == "10"
    assert "open sesame" not in repr(station.settings)


async def test_a_station_that_comes_again_is_asked_for_little(
    central: CentralSystem, station: OcppStation
) -> None:
    await connect(central)
    peer = await connect(central, variables={INTERVAL: Var("900")})
    assert "GetBaseReport" not in asked(peer)
    keys = [Key.of(one) for told in peer.calls("GetVariables") for one in told["getVariableData"]]
    assert INTERVAL in keys
    # It is known not to have these.
    assert RATE_UNIT not in keys
    # What somebody changed meanwhile is put right.
    assert peer.told_to_set == [(str(INTERVAL), "10")]


async def test_another_firmware_is_another_station(
    central: CentralSystem, station: OcppStation
) -> None:
    read = []
    for firmware in ("1", "1", "2"):
        peer = await connect(central, boot={"firmwareVersion": firmware})
        read.append(asked(peer)[0])
    assert read == ["GetBaseReport", "GetVariables", "GetBaseReport"]


# A report that is not all there


async def test_a_message_of_the_report_may_be_lost(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(central, lost=0, chunk=5)
    keys = [Key.of(one) for told in peer.calls("GetVariables") for one in told["getVariableData"]]
    # What the lost message had is asked for, what the others had is not.
    assert INTERVAL in keys
    assert START_POINT not in keys
    assert peer.told_to_set == []
    # The next time it may tell all.
    assert asked(await connect(central))[0] == "GetBaseReport"


async def test_a_report_may_never_come(central: CentralSystem, station: OcppStation) -> None:
    peer = await connect(central, silent=True, variables={INTERVAL: Var("60"), outlet(2): Var("")})
    assert peer.told_to_set == [(str(INTERVAL), "10")]
    assert station.info.evses == 2


async def test_a_station_may_know_a_smaller_report_only(
    central: CentralSystem, station: OcppStation
) -> None:
    class Small(ModelPeer):
        def _base_report(self, payload: Any) -> Any:
            if payload["reportBase"] == "FullInventory":
                return {"status": "NotSupported"}
            return super()._base_report(payload)

    async with Small(central) as peer:
        peer.variables[INTERVAL].value = "60"
        del peer.variables[STARTED]
        await peer.met()
        reports = [told["reportBase"] for told in peer.calls("GetBaseReport")]
        assert reports == ["FullInventory", "SummaryInventory"]
        # It does not say that there is no more.
        keys = [
            Key.of(one) for told in peer.calls("GetVariables") for one in told["getVariableData"]
        ]
        assert STARTED in keys
        assert INTERVAL not in keys
        assert peer.told_to_set == [(str(INTERVAL), "10")]


@pytest.mark.parametrize(
    "answer",
    ["NotImplemented", "InternalError", {"status": "Rejected"}, {"status": "EmptyResultSet"}],
)
async def test_without_a_report_what_matters_is_asked_for(
    central: CentralSystem, station: OcppStation, answer: Any
) -> None:
    peer = await connect(
        central,
        answers={"GetBaseReport": answer},
        variables={UPDATED: Var("SoC"), outlet(2): Var("Available")},
    )
    assert len(peer.calls("GetBaseReport")) == 1
    assert peer.told_to_set == [(str(UPDATED), ALL)]
    assert station.info.evses == 2
    assert max(len(told["getVariableData"]) for told in peer.calls("GetVariables")) <= 16


async def test_a_station_may_know_no_report_at_all(
    central: CentralSystem, station: OcppStation
) -> None:
    refuse = {"GetBaseReport": {"status": "NotSupported"}}
    peer = await connect(central, answers=refuse, variables={INTERVAL: Var("60")})
    assert len(peer.calls("GetBaseReport")) == 2
    assert peer.told_to_set == [(str(INTERVAL), "10")]


async def test_a_station_tells_how_much_may_be_asked_at_once(
    central: CentralSystem, station: OcppStation
) -> None:
    variables = {ITEMS: Var("3", "ReadOnly")}
    await connect(central, variables=variables)
    peer = await connect(central, variables=variables)
    assert {len(told["getVariableData"]) for told in peer.calls("GetVariables")} <= {1, 2, 3}


@pytest.mark.parametrize("text", ["0", "-3", "many", "", "99999999"])
async def test_a_number_that_makes_no_sense_is_no_limit(
    central: CentralSystem, station: OcppStation, text: str
) -> None:
    variables = {ITEMS: Var(text, "ReadOnly")}
    await connect(central, variables=variables)
    peer = await connect(central, variables=variables)
    keys = [Key.of(one) for told in peer.calls("GetVariables") for one in told["getVariableData"]]
    assert INTERVAL in keys


async def test_a_station_for_which_it_was_too_much_is_asked_one_by_one(
    central: CentralSystem, station: OcppStation
) -> None:
    await connect(central)
    peer = await connect(central, in_all=1, variables={INTERVAL: Var("60")})
    sizes = [len(told["getVariableData"]) for told in peer.calls("GetVariables")]
    assert sizes[0] > 1
    assert set(sizes[1:]) == {1}
    assert peer.told_to_set == [(str(INTERVAL), "10")]


@pytest.mark.parametrize(("answer", "times"), [("NotImplemented", 1), ("InternalError", 2)])
async def test_a_station_that_tells_nothing_is_still_asked_for_its_state(
    central: CentralSystem, station: OcppStation, answer: str, times: int
) -> None:
    refused = {"GetBaseReport": answer, "GetVariables": answer}
    peer = await connect(central, answers=refused)
    assert len(peer.calls("GetVariables")) == times
    assert peer.calls("TriggerMessage") == [STATUS, EVENT]
    assert station.info.evses == 1


async def test_a_deaf_station_is_not_asked_more(
    central: CentralSystem, station: OcppStation, caplog: pytest.LogCaptureFixture
) -> None:
    async with ModelPeer(central) as peer:
        peer.answers["GetBaseReport"] = None
        peer.impatient()
        await peer.met()
        assert len(peer.asked) == 1
    assert "Could not set up CP1: timeout (GetBaseReport)" in caplog.text


# What is told


async def test_only_what_differs_is_set(make_central: MakeCentral) -> None:
    central = await make_central(sample_interval_s=5)
    station = central.add_station("CP1")
    wrong = {
        Key("SampledDataCtrlr", "Enabled"): Var("false"),
        Key("AlignedDataCtrlr", "Interval"): Var("900"),
        Key("TxCtrlr", "StopTxOnInvalidId"): Var("false"),
        Key("AuthCtrlr", "AuthorizeRemoteStart"): Var("true"),
        Key("AuthCtrlr", "DisableRemoteAuthorization"): Var("true"),
        Key("AuthCtrlr", "LocalAuthorizeOffline"): Var("false"),
        Key("AuthCtrlr", "LocalPreAuthorize"): Var("1"),
        Key("AuthCtrlr", "OfflineTxForUnknownIdEnabled"): Var("true"),
        Key("AuthCacheCtrlr", "Enabled"): Var("true"),
        Key("SmartChargingCtrlr", "Enabled"): Var("false"),
        Key("LocalAuthListCtrlr", "Enabled"): Var("false"),
        Key("ReservationCtrlr", "Enabled"): Var("false"),
        Key("TariffCostCtrlr", "Enabled", "Cost"): Var("false"),
        Key("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"): Var("3"),
        Key("OCPPCommCtrlr", "WebSocketPingInterval"): Var("0"),
    }
    peer = await connect(central, variables=wrong)
    assert dict(peer.told_to_set) == {
        "SampledDataCtrlr/TxUpdatedInterval": "5",
        "SampledDataCtrlr/Enabled": "true",
        "AlignedDataCtrlr/Interval": "0",
        "TxCtrlr/StopTxOnInvalidId": "true",
        "AuthCtrlr/AuthorizeRemoteStart": "false",
        "AuthCtrlr/DisableRemoteAuthorization": "false",
        "AuthCtrlr/LocalAuthorizeOffline": "true",
        "AuthCtrlr/LocalPreAuthorize": "false",
        "AuthCtrlr/OfflineTxForUnknownIdEnabled": "false",
        "AuthCacheCtrlr/Enabled": "false",
        "SmartChargingCtrlr/Enabled": "true",
        "LocalAuthListCtrlr/Enabled": "true",
        "ReservationCtrlr/Enabled": "true",
        "TariffCostCtrlr/Enabled[Cost]": "true",
        "OCPPCommCtrlr/MessageAttempts[TransactionEvent]": "10",
    }
    # None of it a second time, nor does the memory of the station matter for it.
    assert (await connect(central, variables=wrong)).told_to_set == []
    assert CanReserve not in station.lacks


async def test_more_attempts_than_wanted_are_left_alone(
    central: CentralSystem, station: OcppStation
) -> None:
    attempts = Key("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent")
    assert (await connect(central, variables={attempts: Var("50")})).told_to_set == []


async def test_what_cannot_be_set_is_not_tried(
    central: CentralSystem, station: OcppStation
) -> None:
    fixed = {
        INTERVAL: Var("60", "ReadOnly"),
        UPDATED: Var("SoC", "ReadOnly"),
        STARTED: Var("SoC", "ReadOnly"),
        START_POINT: Var("EVConnected", "ReadOnly"),
        STOP_POINT: Var(None),
        Key("AuthCtrlr", "LocalPreAuthorize"): Var("true", "WriteOnly"),
        Key("TxCtrlr", "StopTxOnInvalidId"): Var("false", "ReadOnly"),
    }
    assert (await connect(central, variables=fixed)).told_to_set == []
    without = (INTERVAL, UPDATED, STARTED, ENDED, START_POINT, STOP_POINT)
    assert (await connect(central, without=without)).told_to_set == []


@pytest.mark.parametrize(
    ("limits", "value"),
    [({"minLimit": 30}, "30"), ({"maxLimit": 5}, "5"), ({"minLimit": 1, "maxLimit": 60}, "10")],
)
async def test_the_interval_is_the_nearest_that_the_station_takes(
    central: CentralSystem, station: OcppStation, limits: Any, value: str
) -> None:
    peer = await connect(central, variables={INTERVAL: Var("900", limits=limits)})
    assert peer.told_to_set == [(str(INTERVAL), value)]


async def test_a_measurand_is_wanted_where_the_station_has_it(
    central: CentralSystem, station: OcppStation
) -> None:
    offers = f"{REGISTER},SoC,Voltage,Frequency"
    peer = await connect(
        central, variables={UPDATED: Var("Frequency", limits={"valuesList": offers})}
    )
    assert peer.told_to_set == [(str(UPDATED), f"{REGISTER},Voltage,SoC")]


async def test_more_measurands_than_needed_are_left_alone(
    central: CentralSystem, station: OcppStation
) -> None:
    value = f"Frequency, Current.Import,{POWER},{REGISTER}"
    assert (await connect(central, variables={UPDATED: Var(value)})).told_to_set == []


async def test_a_list_that_is_refused_is_tried_piece_by_piece(
    central: CentralSystem, station: OcppStation
) -> None:
    variables = {UPDATED: Var("SoC")}
    peer = await connect(central, variables=variables, refused={ALL, POWER})
    taken = f"{REGISTER},Current.Import,Voltage"
    assert [value for _, value in peer.told_to_set] == [ALL, *ALL.split(","), taken]
    # It is not told the same again.
    again = {UPDATED: Var(taken)}
    assert (await connect(central, variables=again, refused={ALL, POWER})).told_to_set == []


async def test_where_pieces_do_not_go_together_the_register_stays(
    central: CentralSystem, station: OcppStation
) -> None:
    class Single(ModelPeer):
        def _set_variables(self, payload: Any) -> Any:
            value = payload["setVariableData"][0]["attributeValue"]
            self.refused = {value} if "," in value else set()
            return super()._set_variables(payload)

    async with Single(central, right() | {UPDATED: Var("SoC")}) as peer:
        await peer.met()
        assert peer.told_to_set[-1] == (str(UPDATED), REGISTER)
        assert station.learned.settled_measurands == REGISTER


async def test_a_model_may_be_known_to_take_one_list_only(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(
        central,
        variables={UPDATED: Var("SoC")},
        boot={"vendorName": "ABB", "model": "TAC", "firmwareVersion": "1.8.21"},
    )
    assert peer.told_to_set == [(str(UPDATED), f"{ALL},Current.Offered")]


async def test_what_else_is_known_of_a_model_is_no_list(
    central: CentralSystem, station: OcppStation
) -> None:
    peer = await connect(
        central, variables={UPDATED: Var("SoC")}, boot={"vendorName": "Huawei", "model": "SCharger"}
    )
    assert peer.told_to_set == [(str(UPDATED), ALL)]
    assert station.learned.unit is RateUnit.WATT


async def test_the_register_is_told_at_both_ends(
    central: CentralSystem, station: OcppStation
) -> None:
    variables = {STARTED: Var("Voltage"), ENDED: Var("")}
    refused = {f"{REGISTER},Voltage"}
    peer = await connect(central, variables=variables, refused=refused)
    assert peer.told_to_set == [
        (str(STARTED), f"{REGISTER},Voltage"),
        (str(STARTED), REGISTER),
        (str(ENDED), REGISTER),
    ]


@pytest.mark.parametrize(
    ("start", "choices", "told"),
    [
        ("EVConnected", "", ["PowerPathClosed"]),
        ("", "", ["PowerPathClosed"]),
        ("EnergyTransfer", "Authorized,EnergyTransfer", ["Authorized"]),
        ("EnergyTransfer", "EnergyTransfer", []),
        ("Authorized", "", []),
        ("EVConnected,PowerPathClosed", "", []),
    ],
)
async def test_a_transaction_begins_with_somebody(
    central: CentralSystem, station: OcppStation, start: str, choices: str, told: list[str]
) -> None:
    limits = {"valuesList": choices} if choices else None
    peer = await connect(central, variables={START_POINT: Var(start, limits=limits)})
    assert peer.told_to_set == [(str(START_POINT), value) for value in told]


async def test_a_start_that_is_refused_may_be_another(
    central: CentralSystem, station: OcppStation
) -> None:
    variables = {START_POINT: Var("EVConnected")}
    peer = await connect(central, variables=variables, refused={"PowerPathClosed"})
    assert [value for _, value in peer.told_to_set] == ["PowerPathClosed", "Authorized"]


@pytest.mark.parametrize(
    ("stop", "told"),
    [
        ("EnergyTransfer", ["PowerPathClosed"]),
        ("EVConnected,EnergyTransfer,Authorized", ["EVConnected,Authorized"]),
        ("PowerPathClosed", []),
    ],
)
async def test_a_transaction_does_not_end_with_a_pause(
    central: CentralSystem, station: OcppStation, stop: str, told: list[str]
) -> None:
    peer = await connect(central, variables={STOP_POINT: Var(stop)})
    assert peer.told_to_set == [(str(STOP_POINT), value) for value in told]


# Nothing is written twice


@pytest.mark.parametrize("answer", ["Rejected", "InternalError", "NotSupported"])
async def test_a_refused_setting_is_not_told_again(
    central: CentralSystem, station: OcppStation, answer: str
) -> None:
    def refuse(payload: Any) -> Any:
        if answer != "Rejected":
            return answer
        names = {name: payload["setVariableData"][0][name] for name in ("component", "variable")}
        return {"setVariableResult": [names | {"attributeStatus": answer}]}

    wrong: dict[str, Any] = {"answers": {"SetVariables": refuse}}
    told = []
    for firmware in ("1", "1", "2"):
        variables = {INTERVAL: Var("60")}
        boot = {"firmwareVersion": firmware}
        peer = await connect(central, variables=variables, boot=boot, **wrong)
        told.append(len(peer.told_to_set))
    # Another firmware may take it.
    assert told == [1, 0, 1]


async def test_a_setting_that_needs_a_restart_is_set(
    central: CentralSystem, station: OcppStation
) -> None:
    def later(payload: Any) -> Any:
        names = {name: payload["setVariableData"][0][name] for name in ("component", "variable")}
        return {"setVariableResult": [names | {"attributeStatus": "RebootRequired"}]}

    told = []
    for _ in range(3):
        peer = await connect(
            central, variables={INTERVAL: Var("60")}, answers={"SetVariables": later}
        )
        told.append(len(peer.told_to_set))
        assert "Reset" not in asked(peer)
    assert told == [1, 0, 0]


async def test_a_station_that_crashes_on_a_setting_is_not_told_forever(
    central: CentralSystem, station: OcppStation, caplog: pytest.LogCaptureFixture
) -> None:
    told = []
    for _ in range(4):
        async with ModelPeer(central, right() | {INTERVAL: Var("60")}) as peer:
            peer.answers["SetVariables"] = lambda _: peer.ws._conn.transport.abort()  # type: ignore[union-attr]
            await peer.boot()
            connection = central._connections["CP1"]
            await peer.until(lambda: peer.closed.is_set() or peer.calls("TriggerMessage"))
        await connection.finished.wait()
        told.append(len(peer.told_to_set))
    assert told == [1, 1, 0, 0]


# What is learned


@pytest.mark.parametrize(
    ("told", "unit"),
    [("A", RateUnit.AMPERE), ("w", RateUnit.WATT), ("A,W", None), ("", None), ("V", None)],
)
async def test_the_unit_of_profiles_may_be_told(
    central: CentralSystem, station: OcppStation, told: str, unit: RateUnit | None
) -> None:
    await connect(central, variables={RATE_UNIT: Var(told, "ReadOnly")})
    assert station.learned.unit is unit


CONTROLLERS: dict[type, tuple[str, str]] = {
    CanHoldTokens: ("LocalAuthListCtrlr", ""),
    CanReserve: ("ReservationCtrlr", ""),
    CanShowCost: ("TariffCostCtrlr", "Cost"),
    CanShowPrice: ("TariffCostCtrlr", "Tariff"),
}


@pytest.mark.parametrize("capability", CONTROLLERS)
@pytest.mark.parametrize(
    ("told", "lacks"),
    [
        ({}, True),
        ({"Available": "true"}, False),
        ({"Enabled": "true"}, False),
        ({"Available": "true", "Enabled": "true"}, False),
        ({"Available": "false", "Enabled": "true"}, True),
        ({"Available": "true", "Enabled": "false"}, True),
        ({"Available": "false"}, True),
        ({"Available": "perhaps"}, False),
        ({"Storage": "7"}, False),
    ],
)
async def test_what_a_station_can_do_may_be_told(
    central: CentralSystem,
    station: OcppStation,
    capability: type,
    told: dict[str, str],
    lacks: bool,
) -> None:
    component, instance = CONTROLLERS[capability]
    variables = {key: var for key, var in right().items() if key.component != component}
    for name, value in told.items():
        variables[Key(component, name, instance)] = Var(value, "ReadOnly")
    async with ModelPeer(central, variables) as peer:
        await peer.met()
    assert (capability in station.lacks) is lacks


async def test_what_was_lacking_may_be_there_again(
    central: CentralSystem, station: OcppStation
) -> None:
    enabled = Key("ReservationCtrlr", "Enabled")
    await connect(central, variables={enabled: Var("false", "ReadOnly")})
    assert CanReserve in station.lacks
    await connect(central, variables={enabled: Var("true", "ReadOnly")})
    assert CanReserve not in station.lacks


async def test_what_is_not_told_is_not_lacking(
    central: CentralSystem, station: OcppStation
) -> None:
    await connect(central, answers={"GetBaseReport": "NotImplemented"})
    assert CanReserve not in station.lacks


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        ({"ItemsPerMessage": "8"}, ListLimits(max_items_per_message=8)),
        (
            {"ItemsPerMessage": "8", "BytesPerMessage": "900", "Entries": "7"},
            ListLimits(max_items_per_message=3, max_entries=50),
        ),
        (
            {"ItemsPerMessage": "8", "BytesPerMessage": "10"},
            ListLimits(max_items_per_message=1),
        ),
        ({"BytesPerMessage": "900"}, ListLimits(max_items_per_message=3)),
        ({}, ListLimits()),
    ],
)
async def test_how_much_of_a_list_it_takes_is_told(
    central: CentralSystem, station: OcppStation, told: dict[str, str], limits: ListLimits
) -> None:
    component = "LocalAuthListCtrlr"
    variables = {key: var for key, var in right().items() if key.component != component}
    for name, value in told.items():
        most = {"dataType": "integer", "maxLimit": 50} if name == "Entries" else None
        variables[Key(component, name)] = Var(value, "ReadOnly", most)
    async with ModelPeer(central, variables) as peer:
        await peer.met()
    assert station.list_limits == limits


# Asking for its state


async def test_it_is_asked_for_the_state_of_each_outlet_and_plug(
    central: CentralSystem, station: OcppStation
) -> None:
    plug = Key("Connector", "Available", evse=2, connector=2)
    variables = {outlet(2): Var(""), plug: Var("true"), plug._replace(connector=1): Var("true")}
    peer = await connect(central, variables=variables)
    assert station.info.evses == 2
    assert [told["evse"] for told in peer.calls("TriggerMessage")] == [
        {"id": 1, "connectorId": 1},
        {"id": 1},
        {"id": 2, "connectorId": 1},
        {"id": 2, "connectorId": 2},
        {"id": 2},
    ]


@pytest.mark.parametrize("lost", [None, 1])
async def test_how_many_outlets_it_has_is_told_by_the_whole_report(
    central: CentralSystem, station: OcppStation, lost: int | None
) -> None:
    await connect(central, lost=lost)
    assert station.info.evses == 1
    assert station.info.told_evses == (1 if lost is None else None)
    # Where it told only a part, it may have one more.
    assert station.meet_evse(2) is (lost is not None)


async def test_a_station_that_never_booted_is_asked_who_it_is(
    central: CentralSystem, station: OcppStation
) -> None:
    async with ModelPeer(central) as peer:
        await peer.told("Heartbeat")
        await peer.set_up()
        assert peer.calls("TriggerMessage")[0] == {"requestedMessage": "BootNotification"}


async def test_a_station_that_refuses_triggers_is_asked_once(
    central: CentralSystem, station: OcppStation
) -> None:
    variables = {outlet(3): Var("")}
    refuse = {"TriggerMessage": {"status": "NotImplemented"}}
    peer = await connect(central, variables=variables, answers=refuse)
    assert len(peer.calls("TriggerMessage")) == 1
    assert CanRefresh in station.lacks
    peer = await connect(central, variables=variables)
    assert not peer.calls("TriggerMessage")


async def test_a_trigger_that_is_refused_is_no_reason_to_stop(
    central: CentralSystem, station: OcppStation
) -> None:
    refuse = {"TriggerMessage": {"status": "Rejected"}}
    peer = await connect(central, variables={outlet(2): Var("")}, answers=refuse)
    assert len(peer.calls("TriggerMessage")) == 4


# Strangers


@pytest.mark.parametrize("in_all", [100, 3])
async def test_the_outlets_of_a_stranger_are_counted(
    make_central: MakeCentral, in_all: int
) -> None:
    met: list[Any] = []
    central = await make_central(on_pending=met.append)
    variables = right() | {outlet(number): Var("Available") for number in (1, 2, 3)}
    async with ModelPeer(central, variables) as peer:
        peer.in_all = in_all
        assert (await peer.boot())["status"] == "Pending"
        await peer.until(lambda: met)
        assert met[0].evses == 3
        first = peer.calls("GetVariables")[0]["getVariableData"]
        assert [Key.of(one).evse for one in first] == list(range(1, 9))


async def test_a_stranger_that_tells_nothing_has_one_outlet(make_central: MakeCentral) -> None:
    met: list[Any] = []
    central = await make_central(on_pending=met.append)
    async with ModelPeer(central, {}) as peer:
        peer.answers["GetVariables"] = "NotSupported"
        await peer.boot()
        await peer.until(lambda: met)
        assert met[0].evses == 1


async def test_what_somebody_set_by_hand_is_read_anew(
    central: CentralSystem, station: OcppStation
) -> None:
    heartbeat = Key("OCPPCommCtrlr", "HeartbeatInterval")
    async with ModelPeer(central, right() | {heartbeat: Var("300")}) as peer:
        await peer.met()
        assert station.settings[str(heartbeat)] == "300"
        data = [heartbeat.payload | {"attributeValue": "60"}]
        await station.call("SetVariables", {"setVariableData": data})
        assert station.settings == {}
        connection = central._connections["CP1"]
    await connection.finished.wait()
    peer = await connect(central, variables={heartbeat: Var("60")})
    assert asked(peer)[0] == "GetBaseReport"
    assert station.settings[str(heartbeat)] == "60"
