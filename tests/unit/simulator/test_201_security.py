"""Certificates of a station of OCPP 2.0.1, and what it tells of its security."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
import pytest

from simulator import Config201, Ocpp201Station
from simulator.connect import Tls
from simulator.ocpp201.network import Networks

from .csms import Csms
from .station201 import ACCEPTED, Dial, csms, dial

__all__ = ["csms", "dial"]

TRIGGER = {"requestedMessage": "SignChargingStationCertificate"}


class Authority:
    """Signs what it is given."""

    def __init__(self, name: str = "Test Root") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self.pem(self._sign(self._name, self._key.public_key()))

    def sign(self, request: str, name: str | None = None) -> str:
        """Return the certificate for a request, with the root behind it."""
        csr = x509.load_pem_x509_csr(request.encode())
        subject = csr.subject
        if name is not None:
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self.pem(self._sign(subject, csr.public_key())) + self.root

    def _sign(self, subject: x509.Name, key: Any) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @staticmethod
    def pem(certificate: x509.Certificate) -> str:
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


async def request(csms: Csms, station: Ocpp201Station) -> str:
    before = len(csms.calls("SignCertificate"))
    assert await csms.call("TriggerMessage", TRIGGER) == ACCEPTED
    await station.wait_for(lambda _: len(csms.calls("SignCertificate")) > before)
    asked = csms.calls("SignCertificate")[-1]
    assert asked["certificateType"] == "ChargingStationCertificate"
    return str(asked["csr"])


async def test_a_certificate_is_asked_for_and_taken(csms: Csms, dial: Dial) -> None:
    station = await dial(variables={"SecurityCtrlr.OrganizationName": "Depot"})
    csr = await request(csms, station)
    subject = x509.load_pem_x509_csr(csr.encode()).subject
    assert subject.rfc4514_string() == "O=Depot,CN=SIM-1"
    authority = Authority()
    signed = {"certificateChain": authority.sign(csr)}
    assert await csms.call("CertificateSigned", signed) == ACCEPTED
    store = station.networks.store
    assert store.tls(show_certificate=True).certificate == signed["certificateChain"]
    # A second time nobody has asked.
    answer = await csms.call("CertificateSigned", signed)
    assert answer["status"] == "Rejected"


async def test_certificates_that_are_refused(csms: Csms, dial: Dial) -> None:
    station = await dial(variables={"SecurityCtrlr.MaxCertificateChainSize": "3000"})
    csr = await request(csms, station)
    authority = Authority()
    other = Authority().root
    for chain, more in (
        ("nonsense", {}),
        (other, {}),
        (authority.sign(csr, "SIM-2"), {}),
        (authority.sign(csr) * 4, {}),
        (authority.sign(csr), {"certificateType": "V2GCertificate"}),
    ):
        answer = await csms.call("CertificateSigned", {"certificateChain": chain, **more})
        assert answer["statusInfo"]["reasonCode"] == "InvalidCertificate"
    await station.wait_for(lambda _: len(csms.calls("SecurityEventNotification")) == 5)
    kinds = {one["type"] for one in csms.calls("SecurityEventNotification")}
    assert kinds == {"InvalidChargingStationCertificate"}
    assert not station.networks.store.has_certificate


async def test_it_asks_again_until_the_certificate_comes(csms: Csms, dial: Dial) -> None:
    variables = {
        "SecurityCtrlr.CertSigningWaitMinimum": "0",
        "SecurityCtrlr.CertSigningRepeatTimes": "2",
    }
    station = await dial(variables=variables)
    csms.answers["SignCertificate"] = lambda _: {"status": "Rejected"}
    await csms.call("TriggerMessage", TRIGGER)
    await station.wait_for(lambda _: len(csms.calls("SignCertificate")) == 3)
    assert len({one["csr"] for one in csms.calls("SignCertificate")}) == 3


async def test_roots(csms: Csms, dial: Dial) -> None:
    station = await dial()
    wanted: dict[str, Any] = {"certificateType": ["CSMSRootCertificate", "V2GRootCertificate"]}
    assert await csms.call("GetInstalledCertificateIds", {}) == {"status": "NotFound"}
    root, charging = Authority().root, Authority("V2G").root
    for use, certificate in (("CSMSRootCertificate", root), ("V2GRootCertificate", charging)):
        payload = {"certificateType": use, "certificate": certificate}
        assert await csms.call("InstallCertificate", payload) == ACCEPTED
    bad = {"certificateType": "CSMSRootCertificate", "certificate": "nonsense"}
    assert (await csms.call("InstallCertificate", bad))["status"] == "Rejected"
    answer = await csms.call("GetInstalledCertificateIds", wanted)
    assert [one["certificateType"] for one in answer["certificateHashDataChain"]] == (
        wanted["certificateType"]
    )
    assert await csms.call("GetInstalledCertificateIds", {}) == answer
    assert (await csms.get("SecurityCtrlr", "CertificateEntries"))["attributeValue"] == "2"
    for one in answer["certificateHashDataChain"]:
        gone = {"certificateHashData": one["certificateHashData"]}
        assert await csms.call("DeleteCertificate", gone) == ACCEPTED
        assert await csms.call("DeleteCertificate", gone) == {"status": "NotFound"}
    assert station.networks.store.count() == 0


async def test_starts_and_resets_are_told(csms: Csms, dial: Dial) -> None:
    station = await dial(security_events=True)
    await station.wait_for(lambda _: csms.calls("SecurityEventNotification"))
    await csms.call("Reset", {"type": "Immediate"})
    await station.wait_for(lambda _: len(csms.calls("SecurityEventNotification")) == 2)
    kinds = [one["type"] for one in csms.calls("SecurityEventNotification")]
    assert kinds == ["StartupOfTheDevice", "ResetOrReboot"]


def networks(url: str, **options: Any) -> Networks:
    station = Ocpp201Station(Config201("SIM-1", **options), url)
    return station.networks


def data(url: str, profile: int) -> dict[str, Any]:
    return {"ocppTransport": "JSON", "ocppCsmsUrl": url, "securityProfile": profile}


def test_security_profiles() -> None:
    root = Authority().root
    assert networks("ws://x").security_profile == 0
    plain = networks("ws://x", password="p" * 16)
    assert (plain.security_profile, plain.password, plain.tls()) == (1, "p" * 16, None)
    assert plain.fill(1, data("ws://y", 0)) == "NoSecurityDowngrade"
    assert plain.fill(0, data("ws://y", 1)) == "InvalidConfSlot"
    assert plain.fill(1, data("wss://y", 2)) == "InvalidNetworkConf"  # no root
    assert plain.fill(1, data("ws://y", 2)) == "InvalidNetworkConf"
    plain.store.install("CSMSRootCertificate", root, datetime.now(UTC))
    assert plain.fill(1, data("wss://y", 3)) == "InvalidNetworkConf"  # no certificate
    assert plain.fill(1, {**data("wss://y", 2), "basicAuthPassword": "q" * 16}) is None
    assert plain.known("1, 0")
    assert not plain.known("1,x")

    secure = networks("wss://x", password="p" * 16, tls=Tls(ca=root))
    shown = secure.tls()
    assert secure.security_profile == 2
    assert shown is not None
    assert (shown.ca, shown.certificate) == (root, None)
    own = networks("wss://x", password="p" * 16, tls=Tls(root, certificate=root, key="key"))
    shown = own.tls()
    assert (own.security_profile, own.password) == (3, None)
    assert shown is not None
    assert shown.certificate == root


async def test_another_slot_with_its_own_password(csms: Csms, dial: Dial) -> None:
    csms.subprotocols = ("ocpp2.1",)
    station = await dial(version="2.1", password="p" * 16)
    profile = {
        "configurationSlot": 2,
        "connectionData": {
            **data(csms.url, 1),
            "messageTimeout": 30,
            "ocppInterface": "Any",
            "basicAuthPassword": "q" * 16,
        },
    }
    assert await csms.call("SetNetworkProfile", profile) == ACCEPTED
    priority = "NetworkConfigurationPriority"
    assert await csms.set("OCPPCommCtrlr", priority, "2") == "RebootRequired"
    await csms.call("Reset", {"type": "Immediate"})
    await station.wait_for(lambda s: len(csms.calls("BootNotification")) == 2 and s.ready)
    assert len(set(csms.authorizations)) == 2
    assert station.variables.text("OCPPCommCtrlr.ActiveNetworkProfile") == "2"
    assert await csms.set("SecurityCtrlr", "BasicAuthPassword", "r" * 16) == "Accepted"
    await station.wait_for(lambda _: len(set(csms.authorizations)) == 3)


async def test_the_last_root_stays_where_it_is_needed(csms: Csms, dial: Dial) -> None:
    station = await dial()
    root = Authority().root
    payload = {"certificateType": "CSMSRootCertificate", "certificate": root}
    await csms.call("InstallCertificate", payload)
    station.networks._first_profile = 2
    answer = await csms.call("GetInstalledCertificateIds", {})
    [one] = answer["certificateHashDataChain"]
    gone = {"certificateHashData": one["certificateHashData"]}
    assert await csms.call("DeleteCertificate", gone) == {"status": "Failed"}


@pytest.mark.parametrize("profile", [1, 3])
async def test_a_new_certificate_is_shown_at_once_where_one_is_shown(
    csms: Csms, dial: Dial, profile: int
) -> None:
    station = await dial()
    station.networks._first_profile = profile
    csr = await request(csms, station)
    signed = {"certificateChain": Authority().sign(csr)}
    assert await csms.call("CertificateSigned", signed) == ACCEPTED
    if profile == 3:
        await station.wait_for(lambda _: len(csms.paths) == 2)
    else:
        assert len(csms.paths) == 1
