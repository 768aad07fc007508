"""Every message of every version goes over a real socket, in each direction it exists.

What a message means is proven elsewhere; here none is forgotten, and none stays unanswered.
`docs/ocpp.md` names the test of the meaning, and is held against the code.
"""

from pathlib import Path
import re

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.schema import CALL_RESULT
from custom_components.forecourt.stations.ocpp.v16.orders import CALLS as CALLS16
from custom_components.forecourt.stations.ocpp.v21.orders import CALLS21
from custom_components.forecourt.stations.ocpp.v201.orders import CALLS as CALLS201
from custom_components.forecourt.stations.ocpp.versions import VERSIONS

from .peer import Peer
from .samples import actions, has_response, request, response

CALLS = {"ocpp1.6": CALLS16, "ocpp2.0.1": CALLS201, "ocpp2.1": CALLS21}
ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "ocpp.md"

# Both sides may call it.
BOTH = {"DataTransfer"}
# A SEND of 2.1, which has no answer.
SENT = {"NotifyPeriodicEventStream"}


def of_station(protocol: str) -> list[str]:
    """Return what a station may call."""
    return [one for one in actions(protocol) if one not in CALLS[protocol] - BOTH]


async def connected(central: CentralSystem, peer: Peer, protocol: str) -> Peer:
    boot = request(protocol, "BootNotification")
    frame = await peer.call("BootNotification", boot)
    assert frame[2]["status"] == "Accepted"
    await peer.set_up()
    return peer


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_station_is_answered_whatever_it_calls(
    central: CentralSystem, station: OcppStation, protocol: str
) -> None:
    schemas = VERSIONS[protocol].schemas
    taken = VERSIONS[protocol].actions
    async with Peer(central, "CP1", protocols=(protocol,)) as peer:
        await connected(central, peer, protocol)
        for action in of_station(protocol):
            if action in SENT:
                await peer.send([6, "s1", action, request(protocol, action)])
                continue
            frame = await peer.call(action, request(protocol, action))
            if action in taken:
                assert frame[0] == 3, (action, frame)
                await schemas.ensure(CALL_RESULT, action)
                schemas.check(CALL_RESULT, action, frame[2])
            else:
                assert (frame[0], frame[2]) == (4, "NotImplemented"), action
        # Still there, after all of it.
        assert (await peer.call("Heartbeat"))[0] == 3


@pytest.mark.parametrize("protocol", VERSIONS)
async def test_a_station_can_be_called_with_everything(
    central: CentralSystem, station: OcppStation, protocol: str
) -> None:
    async with Peer(central, "CP1", protocols=(protocol,)) as peer:
        await connected(central, peer, protocol)
        for action in sorted(CALLS[protocol]):
            answer = response(protocol, action)
            peer.answers[action] = answer
            peer.asked.clear()
            payload = request(protocol, action)
            assert await station.call(action, dict(payload)) == answer, action
            assert (action, payload) in peer.asked


@pytest.mark.parametrize("protocol", VERSIONS)
def test_no_message_is_of_nobody(protocol: str) -> None:
    assert CALLS[protocol] <= set(actions(protocol))
    assert VERSIONS[protocol].actions <= set(of_station(protocol))
    for action in actions(protocol):
        assert has_response(protocol, action) or action in SENT


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
def test_of_these_versions_nothing_is_left_out(protocol: str) -> None:
    assert set(of_station(protocol)) == VERSIONS[protocol].actions


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return the rows of the table: message, version, direction, tests, and what is lacking."""
    table = re.findall(
        r"^\| `(\w+)` \| (1\.6|2\.0\.1|2\.1) \| (→|←) \| "
        r"((?:`[\w/]+\.py`::\w+(?:, )?)+)(?: \((NotImplemented|dropped)\))? \|$",
        DOCS.read_text("utf-8"),
        re.MULTILINE,
    )
    return [tuple(row) for row in table]


def lacking(protocol: str, action: str) -> str:
    """Return what becomes of a message of the station that nobody handles."""
    if action in VERSIONS[protocol].actions:
        return ""
    return "dropped" if action in SENT else "NotImplemented"


def test_the_table_of_the_documentation_is_whole() -> None:
    expected: list[tuple[str, str, str, str]] = []
    for protocol in VERSIONS:
        version = protocol.removeprefix("ocpp")
        expected += [
            (action, version, "→", lacking(protocol, action)) for action in of_station(protocol)
        ]
        expected += [(action, version, "←", "") for action in CALLS[protocol]]
    told = [(action, version, way, lacks) for action, version, way, _, lacks in rows()]
    assert sorted(told) == sorted(expected)
    # And no row is written so that it is not read.
    assert len(re.findall(r" \| [→←] \| ", DOCS.read_text("utf-8"))) == len(told)


def test_the_tests_that_the_documentation_names_exist() -> None:
    named = re.findall(r"`([\w/]+\.py)`::(\w+)", DOCS.read_text("utf-8"))
    assert len(named) > len(rows())
    sources: dict[str, str] = {}
    for path, test in named:
        source = sources.setdefault(path, (ROOT / "tests" / path).read_text("utf-8"))
        assert f"def {test}(" in source, (path, test)
