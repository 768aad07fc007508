"""What of a message is secret, wherever it stands."""

import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp.masking import MASK, masked

SECRET = "DEADBEEF0123"
PEM = f"-----BEGIN CERTIFICATE-----{SECRET}"


def variable(name: str, **more: Any) -> dict[str, Any]:
    return {"component": {"name": "SecurityCtrlr"}, "variable": {"name": name}, **more}


@pytest.mark.parametrize(
    "payload",
    [
        # 1.6
        {"idTag": SECRET},
        {"IDTAG": SECRET},
        {"idTagInfo": {"status": "Accepted", "parentIdTag": SECRET}},
        {"key": "AuthorizationKey", "value": SECRET},
        {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": SECRET}]},
        {"key": "WifiPassword", "value": SECRET},
        {"key": "SIM_PIN", "value": SECRET},
        {"key": "FreevendIdTag", "value": SECRET},
        {"key": "ICCID", "value": SECRET},
        {"key": "MeterSerialNumber", "value": SECRET},
        {"localAuthorizationList": [{"idTag": SECRET}]},
        {"vendorId": "V", "data": SECRET},
        {"data": {"card": SECRET}},
        {"location": f"ftp://user:{SECRET}@host/path"},
        {"location": f"https://host/path?signature={SECRET}"},
        {"log": {"remoteLocation": f"sftp://user:{SECRET}/@{SECRET}@host:22/"}},
        # 2.x
        {"idToken": {"idToken": SECRET, "type": "ISO14443"}},
        {"idTokenInfo": {"groupIdToken": {"idToken": SECRET, "type": "Central"}}},
        {"idToken": {"additionalInfo": [{"additionalIdToken": SECRET, "type": "x"}]}},
        {"idToken": SECRET},
        {"idToken": [SECRET]},
        {"statusInfo": {"reasonCode": "x", "additionalInfo": f"unknown card {SECRET}"}},
        {"localAuthorizationList": {"idToken": SECRET}},
        {"customData": {"vendorId": "V", "uid": SECRET}},
        {"customerIdentifier": SECRET},
        {"setVariableData": [variable("BasicAuthPassword", attributeValue=SECRET)]},
        {"getVariableResult": [variable("BasicAuthPassword", attributeValue=SECRET)]},
        {"eventData": [variable("BasicAuthPassword", actualValue=SECRET)]},
        {
            "reportData": [
                variable("BasicAuthPassword", variableAttribute=[{"type": "A", "value": SECRET}])
            ]
        },
        {"connectionData": {"basicAuthPassword": SECRET}},
        {"connectionData": {"vpn": {"user": SECRET, "password": SECRET, "key": SECRET}}},
        {"connectionData": {"apn": {"apnPassword": SECRET, "apn": SECRET, "simPin": 1234}}},
        {"connectionData": {"ocppCsmsUrl": f"wss://cp:{SECRET}@host"}},
        {"certificate": PEM},
        {"certificateChain": PEM},
        {"csr": PEM},
        {"certificate": [PEM]},
        {"firmware": {"signingCertificate": PEM, "signature": SECRET}},
        [{"idTag": SECRET}],
        f"http://{SECRET}@host",
    ],
)
def test_a_secret_is_never_shown(payload: Any) -> None:
    before = json.dumps(payload)
    shown = json.dumps(masked(payload), ensure_ascii=False)
    assert SECRET not in shown
    assert MASK in shown
    assert json.dumps(payload) == before


@pytest.mark.parametrize(
    "payload",
    [
        {"key": "HeartbeatInterval", "value": "300"},
        {"key": "WebSocketPingInterval", "value": "30"},
        {"key": ["MeterValueSampleInterval"]},
        {"sampledValue": [{"value": "5", "location": "Outlet"}]},
        {"reportData": [variable("Enabled", variableAttribute=[{"value": "true"}])]},
        {"status": "Accepted", "idTagInfo": {"status": "Accepted"}},
        {"location": "https://host/path"},
        {"variable": "none", "value": 5},
        {"a": None, "b": True, "c": 1.5},
        "text",
        None,
    ],
)
def test_the_rest_is_shown(payload: Any) -> None:
    assert masked(payload) == payload


def test_what_helps_to_find_a_fault_stays() -> None:
    token = {"idToken": SECRET, "type": "ISO14443"}
    assert masked({"idToken": token}) == {"idToken": {"idToken": MASK, "type": "ISO14443"}}
    assert masked({"csr": "x" * 900}) == {"csr": "… (900 characters)"}
    url = f"ftp://user:{SECRET}@host/logs?x={SECRET}#{SECRET}"
    assert masked({"location": url}) == {"location": "ftp://…@host/logs?…"}


def test_what_is_too_deep_is_cut() -> None:
    deep: Any = SECRET
    for _ in range(30):
        deep = [deep]
    assert SECRET not in json.dumps(masked(deep))
    assert masked({"a": {"b": 1}}, levels=1) == {"a": MASK}


@given(
    st.recursive(
        st.just(SECRET),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["idTag", "data", "csr", "parentidtag"]), inner)
        ),
        max_leaves=6,
    )
)
def test_no_place_below_a_secret_name_is_shown(inner: Any) -> None:
    for name in ("idTag", "customData", "localAuthorizationList", "vpn", "additionalInfo"):
        assert masked({"x": [{name: inner}]}) == {"x": [{name: MASK}]}
