"""From no protection to a certificate of its own, with real handshakes and whole stations."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import WSServerHandshakeError, web
from aiohttp.test_utils import RawTestServer
import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, SecurityProfile
from custom_components.forecourt.stations.ocpp.certificates import CertifiedKey, facts_of, hash_data
from custom_components.forecourt.stations.ocpp.installed import is_among
from custom_components.forecourt.stations.ocpp.keyring import Issued, Keyring, StationKeys
from custom_components.forecourt.stations.ocpp.link import Timing
from custom_components.forecourt.stations.ocpp.upgrade import (
    Step,
    Trouble,
    UpgradeError,
    Upgrades,
    Way,
)
from custom_components.forecourt.stations.ocpp.v201.device_model import DeviceModel
from simulator import Clock, Config201, Ocpp16Station, Ocpp201Station, StationConfig
from simulator.connect import Tls

from .certified import AUTHORITY, STRANGE, TLS, certified, station_tls
from .conftest import QUICK, MakeCentral
from .peer import Peer, Watch, cheap_hash
from .v201.peer import Peer201

NAME = "SIM-1"
NONE, PASSWORD, TLS_PASSWORD, CERTIFICATE = SecurityProfile
TIMING = replace(QUICK, nudge_s=2, sign_s=0.02, upgrade_s=8)
SHORT = replace(TIMING, nudge_s=0.1, upgrade_s=0.5)
QUICKLY: dict[str, Any] = {
    "tick_s": 0.02,
    "reconnect_s": 0.05,
    "reconnect_max_s": 0.1,
    "reboot_s": 0.05,
    "call_timeout_s": 2.0,
}


class Store:
    """Keys of stations that are kept nowhere."""

    def __init__(self) -> None:
        self.of: dict[str, StationKeys] = {}

    def keys(self, identity: str) -> StationKeys:
        return self.of.get(identity, StationKeys())

    async def keep(self, identity: str, keys: StationKeys) -> None:
        self.of[identity] = keys


class Place:
    """A central system with TLS, its keyring and its upgrades."""

    def __init__(self, central: CentralSystem, timing: Timing, now: Watch, **options: Any) -> None:
        self.central = central
        self.store = Store()
        self.authority: CertifiedKey | None = AUTHORITY
        self.keyring = Keyring(
            central, self.store, lambda: self.authority, now=now, timing=timing, **options
        )
        self.upgrades = Upgrades(self.keyring)
        self.way: Way | None = Way(
            url=f"wss://127.0.0.1:{central.tls_port}", root_pem=AUTHORITY.chain_pem
        )

    def add(self, **keys: Any) -> None:
        self.store.of[NAME] = StationKeys(**keys)
        station = self.central.add_station(NAME, credentials=self.keyring.credentials(NAME))
        self.keyring.attach(station)

    async def upgrade(self, profile: SecurityProfile) -> list[Step]:
        station = self.central.stations[NAME]
        async with asyncio.timeout(5):
            await station.ready()
        return list(await self.upgrades.run(station, profile, self.way))

    async def refused(
        self, profile: SecurityProfile, *, at_once: bool = False
    ) -> tuple[Trouble, Step | None, str]:
        station = self.central.stations[NAME]
        if not at_once:
            async with asyncio.timeout(5):
                await station.ready()
        with pytest.raises(UpgradeError) as raised:
            await self.upgrades.run(station, profile, self.way)
        return raised.value.trouble, raised.value.step, raised.value.detail

    @property
    def keys(self) -> StationKeys:
        return self.store.of[NAME]

    @property
    def proved(self) -> SecurityProfile | None:
        return self.central.security_profile(NAME)


@pytest.fixture
async def make_place(make_central: MakeCentral, now: Watch) -> AsyncIterator[Callable[..., Any]]:
    made: list[Place] = []

    async def make(timing: Timing = TIMING, **options: Any) -> Place:
        central = await make_central(timing, start={"tls_port": 0, "tls": lambda: TLS})
        made.append(Place(central, timing, now, **options))
        return made[-1]

    yield make
    for place in made:
        await place.keyring.close()


@pytest.fixture
async def place(make_place: Callable[..., Any]) -> Place:
    place: Place = await make_place()
    place.add()
    return place


def box16(place: Place, **options: Any) -> Ocpp16Station:
    secure = f"wss://127.0.0.1:{place.central.tls_port}"
    options = {"secure_url": secure, **QUICKLY, **options}
    url = f"ws://127.0.0.1:{place.central.port}"
    return Ocpp16Station(StationConfig(NAME, **options), url, clock=Clock(60))


def box201(place: Place, **options: Any) -> Ocpp201Station:
    url = f"ws://127.0.0.1:{place.central.port}"
    return Ocpp201Station(Config201(NAME, **QUICKLY, **options), url, clock=Clock(60))


def box21(place: Place, **options: Any) -> Ocpp201Station:
    return box201(place, version="2.1", **options)


BOXES = pytest.mark.parametrize("box", [box16, box201, box21])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(box: Any) -> AsyncGenerator[Any]:
    async with box as station:
        await station.wait_for(lambda s: s.ready)
        yield station


# --- the way up -----------------------------------------------------------------------------------


@BOXES
async def test_one_profile_after_the_other(place: Place, box: Any) -> None:
    async with opened(box(place)) as station:
        assert await place.upgrade(PASSWORD) == [Step.PASSWORD]
        assert place.proved is PASSWORD
        assert place.keys.security_profile is PASSWORD
        await until(lambda: place.keys.next_password_hash is None)
        first = place.keys.password_hash
        assert first is not None

        assert await place.upgrade(TLS_PASSWORD) == [Step.ROOT, Step.PROFILE]
        assert place.proved is TLS_PASSWORD
        assert place.keys.password_hash == first

        assert await place.upgrade(CERTIFICATE) == [Step.CERTIFICATE, Step.PROFILE]
        assert place.proved is CERTIFICATE
        await until(lambda: place.keys.certificate and not place.keys.issued)
        assert place.keys.security_profile is CERTIFICATE
        assert station.books.violations == []

        # Down there is no way.
        for lower in (NONE, PASSWORD, TLS_PASSWORD, CERTIFICATE):
            assert await place.refused(lower) == (Trouble.NOT_HIGHER, None, "")
        assert place.keys.security_profile is CERTIFICATE


@BOXES
@pytest.mark.parametrize(
    ("profile", "steps"),
    [
        (TLS_PASSWORD, [Step.PASSWORD, Step.ROOT, Step.PROFILE]),
        (CERTIFICATE, [Step.ROOT, Step.CERTIFICATE, Step.PROFILE]),
    ],
)
async def test_all_at_once(
    place: Place, box: Any, profile: SecurityProfile, steps: list[Step]
) -> None:
    async with opened(box(place)) as station:
        assert await place.upgrade(profile) == steps
        assert place.proved is profile
        assert station.books.violations == []
    # From now on nothing less will do.
    with pytest.raises(WSServerHandshakeError, match="403"):
        await Peer(place.central, NAME).__aenter__()


# --- what stations make of it ---------------------------------------------------------------------


class Wallbox(Peer):
    """A station of OCPP 1.6 that does what a test says."""

    def __init__(self, place: Place, **options: Any) -> None:
        super().__init__(place.central, NAME, **options)

    def refuse(self, action: str, status: str = "Rejected") -> None:
        self.answers[action] = {"status": status}

    def take(self, *keys: str) -> None:
        """Take changes of these settings only."""

        def change(payload: dict[str, Any]) -> dict[str, Any]:
            return {"status": "Accepted" if payload["key"] in keys else "Rejected"}

        self.answers["ChangeConfiguration"] = change


async def test_a_password_in_hexadecimal_digits(place: Place) -> None:
    asked: list[str] = []

    def change(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["key"] == "AuthorizationKey":
            asked.append(payload["value"])
            if len(asked) == 1:
                return {"status": "Rejected"}
        return {"status": "RebootRequired"}

    async with Wallbox(place) as peer:
        peer.answers["ChangeConfiguration"] = change
        await peer.ready()
        upgrade = asyncio.create_task(place.upgrade(PASSWORD))
        await peer.until(lambda: len(asked) == 2)
        plain, digits = asked
        assert bytes.fromhex(digits).decode() == plain
        assert len(digits) == 40
    async with Wallbox(place, password=bytes.fromhex(digits)) as peer:
        await peer.ready()
        assert await upgrade == [Step.PASSWORD]
    assert place.keys.password_hash is not None


async def test_refusals_are_told_and_lock_nobody_out(place: Place) -> None:
    async with Wallbox(place) as peer:
        await peer.ready()
        peer.take()
        assert await place.refused(PASSWORD) == (Trouble.REFUSED, Step.PASSWORD, "Rejected")
        peer.refuse("ChangeConfiguration", "NotSupported")
        assert await place.refused(PASSWORD) == (Trouble.REFUSED, Step.PASSWORD, "NotSupported")
        assert place.keys == StationKeys()
        peer.answers["GetInstalledCertificateIds"] = "InternalError"
        assert await place.refused(CERTIFICATE) == (
            Trouble.REFUSED,
            Step.ROOT,
            "InternalError (no)",
        )
        peer.refuse("InstallCertificate", "Failed")
        peer.answers["GetInstalledCertificateIds"] = "NotImplemented"
        assert await place.refused(CERTIFICATE) == (Trouble.REFUSED, Step.ROOT, "Failed")
        peer.refuse("InstallCertificate", "Accepted")
        peer.refuse("ExtendedTriggerMessage", "NotImplemented")
        trouble = (Trouble.REFUSED, Step.CERTIFICATE, "NotImplemented")
        assert await place.refused(CERTIFICATE) == trouble
        peer.answers["GetInstalledCertificateIds"] = {"status": "NotFound"}
        detail = "it does not have the certificate that it took"
        assert await place.refused(CERTIFICATE) == (Trouble.REFUSED, Step.ROOT, detail)
        assert not peer.closed.is_set()
    async with Wallbox(place) as peer:
        await peer.ready()


async def test_without_the_messages_of_the_whitepaper(place: Place) -> None:
    async with opened(box16(place, security_extensions=False)):
        trouble, step, _ = await place.refused(TLS_PASSWORD)
        # A password needs none of them.
        assert (trouble, step) == (Trouble.REFUSED, Step.ROOT)
        assert place.proved is PASSWORD
        await until(lambda: place.keys.password_hash)


@BOXES
async def test_a_root_is_given_once(place: Place, box: Any) -> None:
    async with opened(box(place, tls=Tls(AUTHORITY.chain_pem))):
        assert await place.upgrade(TLS_PASSWORD) == [Step.PASSWORD, Step.PROFILE]


async def test_whom_to_trust_may_be_somebody_elses_business(place: Place) -> None:
    assert place.way is not None
    place.way = Way(url=place.way.url, root_pem=None)
    async with opened(box16(place, tls=Tls(AUTHORITY.chain_pem))):
        assert await place.upgrade(TLS_PASSWORD) == [Step.PASSWORD, Step.PROFILE]


async def test_one_that_does_not_know_where_to_go(place: Place) -> None:
    async with opened(box16(place, secure_url=None)) as station:
        assert await place.refused(TLS_PASSWORD) == (Trouble.REFUSED, Step.PROFILE, "Rejected")
        assert place.proved is PASSWORD
        # Somebody typed the address: it came by itself, and only has to be held to it.
        place.store.of[NAME] = replace(place.keys, password_hash=cheap_hash("p" * 16))
        place.central.require(NAME, place.keyring.credentials(NAME))
        await station.stop()
    secure = f"wss://127.0.0.1:{place.central.tls_port}"
    config = StationConfig(NAME, password="p" * 16, tls=Tls(AUTHORITY.chain_pem), **QUICKLY)
    async with opened(Ocpp16Station(config, secure)):
        assert await place.upgrade(TLS_PASSWORD) == []
        assert place.keys.security_profile is TLS_PASSWORD


async def test_one_that_never_comes_back(make_place: Callable[..., Any]) -> None:
    place = await make_place(SHORT)
    place.add()
    async with Wallbox(place) as peer:
        await peer.ready()
        upgrade = asyncio.create_task(place.refused(PASSWORD))
        await peer.until(lambda: peer.calls("ChangeConfiguration"))
        # Told to come anew with it, it comes as before.
        await peer.closed.wait()
    async with Wallbox(place) as peer:
        await peer.ready()
        # So it is told to restart, too.
        await peer.until(lambda: peer.calls("Reset"))
        assert await upgrade == (Trouble.NOT_BACK, Step.PASSWORD, "")
        assert place.keys.security_profile is NONE
        assert place.keys.password_hash is None
        assert place.keys.next_password_hash is not None
        assert not peer.closed.is_set()


async def test_one_that_goes_for_good(make_place: Callable[..., Any]) -> None:
    place = await make_place(SHORT)
    place.add()
    async with Wallbox(place) as peer:
        await peer.ready()
        peer.answers["GetInstalledCertificateIds"] = None
        upgrade = asyncio.create_task(place.refused(CERTIFICATE))
        await peer.until(lambda: peer.calls("GetInstalledCertificateIds"))
    assert await upgrade == (Trouble.NOT_BACK, Step.ROOT, "")
    assert await place.refused(CERTIFICATE, at_once=True) == (Trouble.OFFLINE, None, "")


async def test_one_that_says_nothing(make_place: Callable[..., Any]) -> None:
    place = await make_place(replace(SHORT, call_s=0.1))
    place.add()
    async with Wallbox(place) as peer:
        await peer.ready()
        peer.answers["InstallCertificate"] = None
        peer.answers["GetInstalledCertificateIds"] = "NotSupported"
        assert await place.refused(CERTIFICATE) == (
            Trouble.NOT_BACK,
            Step.ROOT,
            "InstallCertificate",
        )
        peer.answers["InstallCertificate"] = {"status": "Accepted"}
        # It promises to ask for a certificate, and does not.
        assert await place.refused(CERTIFICATE) == (
            Trouble.NOT_BACK,
            Step.CERTIFICATE,
            "SignCertificate",
        )


async def test_one_that_comes_back_after_all(make_place: Callable[..., Any]) -> None:
    """What was given up is taken up when it comes: the new password, and only that from then on."""
    place = await make_place(SHORT)
    place.add()
    given: list[str] = []

    def change(payload: dict[str, Any]) -> dict[str, Any]:
        given.append(payload["value"])
        return {"status": "RebootRequired"}

    async with Wallbox(place) as peer:
        peer.answers["ChangeConfiguration"] = change
        await peer.ready()
        assert await place.refused(PASSWORD) == (Trouble.NOT_BACK, Step.PASSWORD, "")
    place.keyring.refresh()
    async with Wallbox(place, password=given[0]) as peer:
        await until(lambda: place.keys.password_hash)
        await peer.ready()
        assert place.keys.next_password_hash is None
    with pytest.raises(WSServerHandshakeError, match="401"):
        await Wallbox(place).__aenter__()


async def test_the_old_password_counts_until_the_new_one_was_shown(place: Place) -> None:
    old = cheap_hash("old password 1234")
    place.add(security_profile=PASSWORD, password_hash=old)
    new, new_hash = await place.keyring.offer_password(NAME)
    async with Wallbox(place, password="old password 1234") as peer:
        await peer.ready()
        assert place.keys.next_password_hash == new_hash
    with pytest.raises(WSServerHandshakeError, match="401"):
        await Wallbox(place, password="wrong password 1").__aenter__()
    async with Wallbox(place, password=new) as peer:
        await until(lambda: place.keys.password_hash == new_hash)
        await peer.ready()
        assert place.keys.next_password_hash is None
    with pytest.raises(WSServerHandshakeError, match="401"):
        await Wallbox(place, password="old password 1234").__aenter__()


async def test_nothing_is_begun_in_vain(place: Place) -> None:
    async with Wallbox(place) as peer:
        await peer.ready()
        await peer.start()
        assert await place.refused(PASSWORD) == (Trouble.CHARGING, None, "")
        place.central.stations[NAME].transactions.clear()
        place.way = None
        assert await place.refused(TLS_PASSWORD) == (Trouble.NO_TLS, None, "")
        peer.answers["ChangeConfiguration"] = None
        first = asyncio.create_task(place.refused(PASSWORD))
        await peer.until(lambda: peer.calls("ChangeConfiguration"))
        assert await place.refused(PASSWORD) == (Trouble.BUSY, None, "")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_a_certificate_is_for_the_own_port(place: Place) -> None:
    """Through another server, nobody would ask for it, and a password it shows no more."""

    async def pass_on(request: web.BaseRequest) -> web.StreamResponse:
        return await place.central.handle(request, NAME)

    async with RawTestServer(pass_on) as other:
        config = StationConfig(NAME, **QUICKLY)
        async with opened(Ocpp16Station(config, str(other.make_url("/")))):
            assert await place.refused(CERTIFICATE) == (Trouble.OTHER_PORT, None, "")
            assert await place.upgrade(PASSWORD) == [Step.PASSWORD]


async def test_who_begins_to_charge_meanwhile_is_left_alone(place: Place) -> None:
    async with Wallbox(place) as peer:
        await peer.ready()

        def install(payload: dict[str, Any]) -> dict[str, Any]:
            place.central.stations[NAME].transactions[1] = 1
            return {"status": "Accepted"}

        place.add(password_hash=cheap_hash("p" * 16))
    async with Wallbox(place, password="p" * 16) as peer:
        peer.answers["GetInstalledCertificateIds"] = "NotImplemented"
        peer.answers["InstallCertificate"] = install
        await peer.ready()
        assert await place.refused(TLS_PASSWORD) == (Trouble.CHARGING, Step.PROFILE, "")
        await place.central.stations[NAME].ready()
    assert not peer.calls("Reset")


async def test_a_lost_password_lets_nobody_in(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.add(security_profile=TLS_PASSWORD)
    with pytest.raises(WSServerHandshakeError, match="403"):
        await Wallbox(place).__aenter__()
    assert "password of station SIM-1 is lost" in caplog.text


# --- certificates ---------------------------------------------------------------------------------


def request_of(identity: str) -> str:
    """Return a request for a certificate."""
    return Ocpp16Station(StationConfig(identity), "ws://x").security.store.request(identity, "")


async def test_only_who_proved_more_than_a_password_gets_a_certificate(place: Place) -> None:
    async with Wallbox(place) as peer:
        await peer.ready()
        answer = await peer.call("SignCertificate", {"csr": request_of(NAME)})
        assert answer[2] == {"status": "Rejected"}
    place.add(password_hash=cheap_hash("p" * 16))
    async with Wallbox(place, password="p" * 16, tls=station_tls()) as peer:
        await peer.ready()
        answer = await peer.call("SignCertificate", {"csr": request_of(NAME)})
        assert answer[2] == {"status": "Accepted"}
        await peer.until(lambda: peer.calls("CertificateSigned"))
        [sent] = peer.calls("CertificateSigned")
        facts = facts_of(sent["certificateChain"])
        assert facts.common_name == NAME
        assert [one.fingerprint for one in place.keys.issued] == [facts.fingerprint]
        # Not for anybody else, and not for ever.
        answer = await peer.call("SignCertificate", {"csr": request_of("SIM-2")})
        assert answer[2] == {"status": "Rejected"}
        told = [
            (await peer.call("SignCertificate", {"csr": request_of(NAME)}))[2]["status"]
            for _ in range(5)
        ]
        assert told == ["Accepted"] * 4 + ["Rejected"]
        assert len(place.keys.issued) == 4
        await peer.until(lambda: len(peer.calls("CertificateSigned")) == 5)
    place.authority = None
    async with Wallbox(place, password="p" * 16, tls=station_tls()) as peer:
        await peer.ready()
        answer = await peer.call("SignCertificate", {"csr": request_of(NAME)})
        assert answer[2] == {"status": "Rejected"}


async def test_a_certificate_that_is_not_taken_does_not_count(place: Place) -> None:
    async with Wallbox(place) as peer:
        await peer.ready()
        peer.answers["GetInstalledCertificateIds"] = "NotImplemented"

        def sign(payload: dict[str, Any], identity: str = NAME) -> dict[str, Any]:
            request = [2, "sign", "SignCertificate", {"csr": request_of(identity)}]
            asyncio.get_running_loop().call_soon(lambda: sent.append(peer.send(request)))
            return {"status": "Accepted"}

        sent: list[Any] = []
        peer.answers["ExtendedTriggerMessage"] = sign
        peer.refuse("CertificateSigned")
        upgrade = asyncio.create_task(place.refused(CERTIFICATE))
        await peer.until(lambda: sent)
        await sent.pop()
        assert await upgrade == (Trouble.REFUSED, Step.CERTIFICATE, "Rejected")
        assert place.keys.issued == ()

        peer.answers["ExtendedTriggerMessage"] = lambda payload: sign(payload, "SIM-2")
        upgrade = asyncio.create_task(place.refused(CERTIFICATE))
        await peer.until(lambda: sent)
        await sent.pop()
        trouble, step, detail = await upgrade
        assert (trouble, step) == (Trouble.UNFIT_REQUEST, Step.CERTIFICATE)
        assert "identity" in detail


@BOXES
async def test_a_certificate_that_ends_soon_is_renewed(
    make_place: Callable[..., Any], box: Any
) -> None:
    place = await make_place(valid=timedelta(days=10))
    place.add()
    async with opened(box(place)) as station:
        await place.upgrade(CERTIFICATE)
        await until(lambda: place.keys.certificate)
        first = place.keys.certificate
        async with asyncio.timeout(5):
            await place.central.stations[NAME].ready()
        await place.keyring.renew()
        await until(lambda: place.keys.certificate != first)
        assert place.keys.issued == ()
        await until(lambda: place.proved is CERTIFICATE)
        assert station.books.violations == []
        # One that is good for long, is offline or was never issued is left alone.
        place.store.of[NAME] = replace(place.keys, certificate=None)
        before = place.keys
        await place.keyring.renew()
        assert place.keys == before


async def test_a_station_may_refuse_to_renew(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    own = certified(NAME)
    facts = facts_of(own.chain_pem)
    good = Issued(facts.fingerprint, facts.not_after + timedelta(days=300))
    place.add(security_profile=CERTIFICATE, certificate=good)
    async with Wallbox(place, tls=station_tls(own)) as peer:
        await peer.ready()
        await place.keyring.renew()
        assert not peer.calls("ExtendedTriggerMessage")
        place.store.of[NAME] = replace(
            place.keys, certificate=Issued(facts.fingerprint, facts.not_before)
        )
        peer.refuse("ExtendedTriggerMessage")
        await place.keyring.renew()
    assert "No new certificate for SIM-1: refused (Rejected)" in caplog.text


async def test_certificates_of_the_owners_authority_count_by_name(place: Place) -> None:
    # Both authorities are trusted by TLS; the list is only of what was issued here.
    ours = certified(NAME)
    place.authority = STRANGE
    place.add(security_profile=CERTIFICATE)
    async with Wallbox(place, tls=station_tls(ours)) as peer:
        await peer.ready()
        assert place.proved is CERTIFICATE
    place.authority = AUTHORITY
    place.add(security_profile=CERTIFICATE)
    with pytest.raises(WSServerHandshakeError, match="403"):
        await Wallbox(place, tls=station_tls(ours)).__aenter__()


# --- OCPP 2.x -------------------------------------------------------------------------------------


class Wallbox201(Peer201):
    """A station of OCPP 2.0.1 with network profiles."""

    def __init__(self, place: Place, **options: Any) -> None:
        super().__init__(place.central, NAME, **options)
        self.variables = {"ActiveNetworkProfile": "1", "NetworkConfigurationPriority": "1"}
        self.refusal: dict[str, Any] = {"attributeStatus": "Accepted"}
        accepted = {"status": "Accepted"}
        self.answers |= {
            "GetVariables": self._get,
            "SetVariables": self._set,
            "GetInstalledCertificateIds": "NotSupported",
            "InstallCertificate": accepted,
            "SetNetworkProfile": accepted,
            "TriggerMessage": accepted,
            "Reset": accepted,
        }

    def _get(self, payload: dict[str, Any]) -> dict[str, Any]:
        results = []
        for one in payload["getVariableData"]:
            value = self.variables.get(one["variable"]["name"])
            told = {"attributeStatus": "UnknownVariable"}
            if value is not None:
                told = {"attributeStatus": "Accepted", "attributeValue": value}
            results.append({"component": one["component"], "variable": one["variable"], **told})
        return {"getVariableResult": results}

    def _set(self, payload: dict[str, Any]) -> dict[str, Any]:
        [one] = payload["setVariableData"]
        result = {"component": one["component"], "variable": one["variable"], **self.refusal}
        return {"setVariableResult": [result]}


@pytest.fixture
async def place201(make_place: Callable[..., Any]) -> Place:
    place: Place = await make_place(SHORT)
    place.add(password_hash=HASH)
    return place


HASH = cheap_hash("p" * 16)


@pytest.mark.parametrize(
    ("active", "priority", "slot", "order"),
    [
        ("1", "1", 2, "2,1"),
        ("2", "1,2", 3, "3,2,1"),
        ("1", "1,2,3", 2, "2,1,3"),
        (None, "2", 1, "1,2"),
        (None, None, 1, "1"),
        ("x", "", 1, "1"),
    ],
)
async def test_the_connection_that_it_has_is_never_overwritten(
    place201: Place, active: str | None, priority: str | None, slot: int, order: str
) -> None:
    async with Wallbox201(place201, password="p" * 16) as peer:
        peer.variables = {
            name: value
            for name, value in (
                ("ActiveNetworkProfile", active),
                ("NetworkConfigurationPriority", priority),
            )
            if value is not None
        }
        await peer.ready()
        trouble = (Trouble.NOT_BACK, Step.PROFILE, "")
        upgrade = asyncio.create_task(place201.refused(TLS_PASSWORD))
        await peer.until(lambda: peer.calls("Reset"))
        assert await upgrade == trouble
        [written] = peer.calls("SetNetworkProfile")
        assert written["configurationSlot"] == slot
        assert written["connectionData"]["securityProfile"] == 2
        assert place201.way is not None
        assert written["connectionData"]["ocppCsmsUrl"] == place201.way.url
        assert peer.calls("SetVariables")[-1]["setVariableData"][0]["attributeValue"] == order
        assert place201.keys.security_profile is NONE


async def test_words_of_a_station_that_refuses(place201: Place) -> None:
    async with Wallbox201(place201, password="p" * 16) as peer:
        await peer.ready()

        async def refused(profile: SecurityProfile = TLS_PASSWORD) -> tuple[Any, ...]:
            return await place201.refused(profile)

        info = {"reasonCode": "NoNet", "additionalInfo": "no such interface"}
        peer.answers["SetNetworkProfile"] = {"status": "Rejected", "statusInfo": info}
        words = "Rejected (NoNet: no such interface)"
        assert await refused() == (Trouble.REFUSED, Step.PROFILE, words)
        assert [
            one["connectionData"]["ocppInterface"] for one in peer.calls("SetNetworkProfile")
        ] == [
            "Wired0",
            "Wireless0",
        ]
        peer.answers["SetNetworkProfile"] = {"status": "Accepted"}
        peer.refusal = {"attributeStatus": "Rejected", "attributeStatusInfo": info}
        assert await refused() == (Trouble.REFUSED, Step.PROFILE, words)
        peer.refusal = {"attributeStatus": "UnknownVariable"}
        assert await refused() == (Trouble.REFUSED, Step.PROFILE, "UnknownVariable")
        peer.answers["InstallCertificate"] = {"status": "Rejected", "statusInfo": info}
        assert await refused() == (Trouble.REFUSED, Step.ROOT, words)
        peer.answers["InstallCertificate"] = {"status": "Accepted"}
        peer.answers["TriggerMessage"] = {"status": "NotImplemented"}
        trouble = (Trouble.REFUSED, Step.CERTIFICATE, "NotImplemented")
        assert await refused(CERTIFICATE) == trouble
        peer.answers["GetInstalledCertificateIds"] = "InternalError"
        assert await refused() == (Trouble.REFUSED, Step.ROOT, "InternalError (no)")


async def test_a_station_that_repeats_its_password(place201: Place) -> None:
    place201.add()
    async with Wallbox201(place201) as peer:
        await peer.ready()

        def refuse(payload: dict[str, Any]) -> dict[str, Any]:
            [one] = payload["setVariableData"]
            info = {"reasonCode": "Bad", "additionalInfo": f"not {one['attributeValue']}"}
            peer.refusal = {"attributeStatus": "Rejected", "attributeStatusInfo": info}
            return peer._set(payload)

        peer.answers["SetVariables"] = refuse
        assert await place201.refused(PASSWORD) == (Trouble.REFUSED, Step.PASSWORD, "Rejected")


async def test_no_room_for_another_connection(place201: Place) -> None:
    async with Wallbox201(place201, password="p" * 16) as peer:
        await peer.ready()
        station = place201.central.stations[NAME]
        station.kept(DeviceModel).report(
            {
                "requestId": 0,
                "seqNo": 0,
                "reportData": [
                    {
                        "component": {"name": "OCPPCommCtrlr"},
                        "variable": {"name": "NetworkConfigurationPriority"},
                        "variableAttribute": [{"value": "1"}],
                        "variableCharacteristics": {"valuesList": "1"},
                    }
                ],
            }
        )
        trouble = (Trouble.REFUSED, Step.PROFILE, "no room for another network profile")
        assert await place201.refused(TLS_PASSWORD) == trouble


def test_certificates_are_known_by_their_hashes() -> None:
    named = hash_data(AUTHORITY.chain_pem, AUTHORITY.chain_pem)
    told = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": named.issuer_name_hash,
        "issuerKeyHash": named.issuer_key_hash.upper(),
        "serialNumber": f"00{named.serial_number.upper()}",
    }
    assert is_among(named, [told])
    assert not is_among(named, [])
    assert not is_among(named, [told | {"serialNumber": "1"}])
    assert not is_among(named, [told | {"issuerKeyHash": "1"}])
    # By another algorithm only the number tells.
    assert is_among(named, [told | {"hashAlgorithm": "SHA512", "issuerKeyHash": "1"}])
