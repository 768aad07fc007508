"""What a station is told about a connection of a higher security profile."""

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.credentials import SecurityProfile
from custom_components.forecourt.stations.ocpp.versions import VERSIONS

from .peer import Peer201


@pytest.mark.parametrize(
    ("protocol", "version", "interfaces"),
    [
        ("ocpp2.0.1", "OCPP20", ["Wired0", "Wireless0"]),
        ("ocpp2.1", "OCPP21", ["Any", "Wired0", "Wireless0"]),
    ],
)
async def test_the_connection_has_the_words_of_the_stations_version(
    central: CentralSystem,
    station: OcppStation,
    protocol: str,
    version: str,
    interfaces: list[str],
) -> None:
    async with Peer201(central, protocol=protocol) as peer:
        await peer.ready()
        peer.answers["SetNetworkProfile"] = lambda payload: {
            "status": "Accepted"
            if payload["connectionData"]["ocppInterface"] == "Wireless0"
            else "Rejected"
        }
        peer.answers["SetVariables"] = lambda payload: {
            "setVariableResult": [
                {name: one[name] for name in ("component", "variable")}
                | {"attributeStatus": "Accepted"}
                for one in payload["setVariableData"]
            ]
        }
        security = VERSIONS[protocol].security(station)
        await security.set_profile(SecurityProfile.TLS_PASSWORD, "wss://h:9443/")
        told = [one["connectionData"] for one in peer.calls("SetNetworkProfile")]
    assert [one["ocppInterface"] for one in told] == interfaces
    assert {one["ocppVersion"] for one in told} == {version}
