"""Has a second central system look on at what a wallbox reports."""

from ipaddress import ip_address
from typing import Any

from homeassistant.config_entries import ConfigSubentryFlow, SubentryFlowResult
from homeassistant.helpers.selector import (
    BooleanSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import probatio as vol
from yarl import URL

from ..const import CONF_STATION_ID
from ..hub import Hub
from ..stations.ocpp.door import IDENTITY
from ..vault import Forward
from .running import running_hub
from .texts import Texts, quoted

CONF_FORWARD_URL = "forward_url"
CONF_FORWARD_IDENTITY = "forward_identity"
CONF_FORWARD_PASSWORD = "forward_password"  # noqa: S105 - a question
CONF_SEND_TOKENS = "send_tokens"

# RFC 6762, RFC 8375, RFC 6761, and what routers and ICANN use.
PRIVATE_NAMES = (".local", ".home.arpa", ".localhost", ".lan", ".internal")

SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_FORWARD_URL): TextSelector(TextSelectorConfig(type=TextSelectorType.URL)),
        vol.Optional(CONF_FORWARD_IDENTITY): TextSelector(),
        vol.Optional(CONF_FORWARD_PASSWORD): TextSelector(
            TextSelectorConfig(type=TextSelectorType.PASSWORD)
        ),
        vol.Required(CONF_SEND_TOKENS, default=False): BooleanSelector(),
    }
)


class ForwardSteps(ConfigSubentryFlow):
    """The step of a wallbox's dialog that is about a second central system.

    What is answered is kept in the vault as a whole: it is a login elsewhere.
    """

    _forward: Forward | None = None

    async def async_step_forward(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask where to forward to; no address is the end of it."""
        subentry = self._get_reconfigure_subentry()
        station_id: str = subentry.data[CONF_STATION_ID]
        hub = running_hub(self._get_entry())
        known = hub.vault.forward(station_id)
        errors: dict[str, str] = {}
        if user_input is not None:
            forward = _forward(user_input, known)
            errors = {} if forward is None else _errors(hub, forward)
            if not errors:
                self._forward = forward
                if forward is not None and forward.password and _is_readable(forward.url):
                    return await self.async_step_forward_readable()
                return await self.async_step_forward_anyway()
        return self.async_show_form(
            step_id="forward",
            data_schema=self.add_suggested_values_to_schema(
                SCHEMA, user_input or (_answers(known) if known else None)
            ),
            errors=errors,
            description_placeholders={
                "identity": quoted(station_id),
                "state": await self._state(hub, station_id),
            },
        )

    async def async_step_forward_readable(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask whether to send a password where it can be read."""
        assert self._forward is not None  # noqa: S101 - this is about it
        return self.async_show_menu(
            step_id="forward_readable",
            menu_options=["forward_anyway", "forward"],
            description_placeholders={"host": quoted(URL(self._forward.url).host or "")},
        )

    async def async_step_forward_anyway(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take over what was answered."""
        subentry, forward = self._get_reconfigure_subentry(), self._forward
        hub = running_hub(self._get_entry())
        await hub.vault.set_forward(subentry.data[CONF_STATION_ID], forward)
        await hub.sync_station(subentry)
        return self.async_abort(
            reason="not_forwarded" if forward is None else "forwarded",
            description_placeholders={"name": subentry.title},
        )

    async def _state(self, hub: Hub, station_id: str) -> str:
        """Return in words how the forwarding goes."""
        texts = await Texts.load(self.hass)
        match hub.central.stations[station_id].forwarder.state():
            case None:
                return texts("forward_none")
            case {"connected": True, "error": None}:
                return texts("forward_connected")
            case {"error": None}:
                return texts("forward_waiting")
            case state:
                return texts("forward_failed", reason=quoted(state["error"] or ""))


def _forward(answers: dict[str, Any], known: Forward | None) -> Forward | None:
    """Return what was answered. A password is kept only for the address that it was given for."""
    url = answers.get(CONF_FORWARD_URL, "").strip()
    if not url:
        return None
    password = answers.get(CONF_FORWARD_PASSWORD) or None
    if password is None and known is not None and known.url == url:
        password = known.password
    return Forward(
        url=url,
        identity=answers.get(CONF_FORWARD_IDENTITY, "").strip() or None,
        password=password,
        send_tokens=answers[CONF_SEND_TOKENS],
    )


def _is_readable(url: str) -> bool:
    """Return whether what goes there can be read on its way through the Internet.

    A name is of the Internet if it is not one that only a network of one's own can have.
    """
    parsed = URL(url)
    host = parsed.host or ""
    if parsed.scheme != "ws":
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host.rstrip(".") and not host.rstrip(".").lower().endswith(PRIVATE_NAMES)


def _errors(hub: Hub, forward: Forward) -> dict[str, str]:
    errors: dict[str, str] = {}
    if forward.identity is not None and not IDENTITY.fullmatch(forward.identity):
        errors[CONF_FORWARD_IDENTITY] = "identity_invalid"
    elif forward.identity is not None and ":" in forward.identity and forward.password:
        errors[CONF_FORWARD_IDENTITY] = "identity_colon"
    else:
        try:
            hub.forward_target(forward)
        except ValueError:
            errors[CONF_FORWARD_URL] = "forward_url_invalid"
    return errors


def _answers(known: Forward) -> dict[str, Any]:
    """Return what the form is filled with; the password is not shown again."""
    answers = {
        CONF_FORWARD_URL: known.url,
        CONF_FORWARD_IDENTITY: known.identity,
        CONF_SEND_TOKENS: known.send_tokens,
    }
    return {key: value for key, value in answers.items() if value is not None}
