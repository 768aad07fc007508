"""Changes what the owner decided about encryption: the port, and the certificate of the server."""

from functools import partial
from typing import Any

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig
from homeassistant.util import dt as dt_util
import probatio as vol

from ..const import (
    CONF_PORT,
    CONF_STATION_ID,
    CONF_TLS_AUTHORITIES,
    CONF_TLS_CERTIFICATE,
    CONF_TLS_CERTIFICATE_FILE,
    CONF_TLS_HOSTS,
    CONF_TLS_KEY_FILE,
    CONF_TLS_PORT,
    DEFAULT_TLS_PORT,
    SUBENTRY_STATION,
)
from ..hub import Hub
from ..security import read_given
from ..stations.ocpp import SecurityProfile
from ..stations.ocpp.authority import issue_server
from ..stations.ocpp.certificates import (
    CertificateError,
    CertifiedKey,
    Problem,
    load_chain,
    parse_authorities,
    parse_certified_key,
)
from ..tls_options import TLS_OPTIONS, CertificateSource, TlsOptions, own_hosts
from .fields import choice, whole_number
from .ports import LAST_PORT, port_problem
from .running import running_hub
from .texts import quoted

CONF_CERTIFICATE_PEM = "certificate_pem"
CONF_KEY_PEM = "key_pem"

PEM = TextSelector(TextSelectorConfig(multiline=True))

OF_THE_KEY = (Problem.KEY_ENCRYPTED, Problem.KEY_MISMATCH, Problem.KEY_NOT_SUPPORTED)


class SecuritySteps(OptionsFlow):
    """The steps of the site's options that are about encryption."""

    def __init__(self) -> None:
        """Start without answers."""
        super().__init__()
        self._tls: dict[str, Any] = {}

    async def async_step_security(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether there is a port with TLS, and where its certificate comes from."""
        options = TlsOptions.of(self.config_entry.options)
        answers = user_input or {
            CONF_TLS_CERTIFICATE: options.source,
            CONF_TLS_PORT: options.port or DEFAULT_TLS_PORT,
            CONF_TLS_AUTHORITIES: options.authorities_pem,
        }
        errors: dict[str, str] = {}
        if user_input is not None:
            source = CertificateSource(user_input[CONF_TLS_CERTIFICATE])
            errors = self._problems(source, user_input)
            if not errors:
                self._tls = {key: value for key, value in user_input.items() if value}
                match source:
                    case CertificateSource.OFF:
                        await self._hub.security.keys.set_given(None)
                        self._tls = {}
                        return self._save({})
                    case CertificateSource.OWN:
                        return await self.async_step_certificate_own()
                    case CertificateSource.FILES:
                        return await self.async_step_certificate_files()
                return await self.async_step_certificate_pasted()
        return self.async_show_form(
            step_id="security",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_TLS_CERTIFICATE): choice(
                            CertificateSource, "tls_certificate"
                        ),
                        vol.Required(CONF_TLS_PORT): whole_number(1, LAST_PORT),
                        vol.Optional(CONF_TLS_AUTHORITIES): PEM,
                    }
                ),
                answers,
            ),
            errors=errors,
            description_placeholders={
                "port": str(answers[CONF_TLS_PORT]),
                "stations": ", ".join(self._encrypted_stations()),
            },
        )

    async def async_step_certificate_own(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for which addresses the certificate is."""
        errors: dict[str, str] = {}
        defaults = await own_hosts(self.hass)
        if user_input is not None:
            hosts = [host for one in user_input.get(CONF_TLS_HOSTS, ()) if (host := one.strip())]
            try:
                # The way to know whether a certificate can be issued.
                await self.hass.async_add_executor_job(
                    issue_server,
                    await self._hub.security.authority(),
                    hosts or defaults,
                    dt_util.utcnow(),
                )
            except CertificateError as error:
                errors[CONF_TLS_HOSTS] = f"certificate_{error.problem}"
            else:
                await self._hub.security.keys.set_given(None)
                return self._save({CONF_TLS_HOSTS: hosts} if hosts else {})
        return self.async_show_form(
            step_id="certificate_own",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {vol.Optional(CONF_TLS_HOSTS): TextSelector(TextSelectorConfig(multiple=True))}
                ),
                user_input or self.config_entry.options,
            ),
            errors=errors,
            description_placeholders={"hosts": ", ".join(map(quoted, defaults))},
        )

    async def async_step_certificate_files(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the files with the certificate and its key, and look into them."""
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            files = {key: value.strip() for key, value in user_input.items()}
            try:
                await self.hass.async_add_executor_job(
                    read_given, self.hass, TlsOptions.of({**self._tls, **files}), None
                )
            except OSError as error:
                key_path = self.hass.config.path(files[CONF_TLS_KEY_FILE])
                is_key = error.filename is not None and str(error.filename) == key_path
                field = CONF_TLS_KEY_FILE if is_key else CONF_TLS_CERTIFICATE_FILE
                errors[field] = "file_unreadable"
                reason = error.strerror or str(error)
            except CertificateError as error:
                is_key = error.problem in OF_THE_KEY
                field = CONF_TLS_KEY_FILE if is_key else CONF_TLS_CERTIFICATE_FILE
                errors[field] = f"certificate_{error.problem}"
            else:
                await self._hub.security.keys.set_given(None)
                return self._save(files)
        return self.async_show_form(
            step_id="certificate_files",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_TLS_CERTIFICATE_FILE): TextSelector(),
                        vol.Required(CONF_TLS_KEY_FILE): TextSelector(),
                    }
                ),
                user_input or self.config_entry.options,
            ),
            errors=errors,
            description_placeholders={
                "folder": quoted(self.hass.config.config_dir),
                "reason": reason,
            },
        )

    async def async_step_certificate_pasted(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the certificate and its key; what was entered before is not shown."""
        keys = self._hub.security.keys
        errors: dict[str, str] = {}
        if user_input is not None:
            chain, key = (user_input.get(name, "") for name in (CONF_CERTIFICATE_PEM, CONF_KEY_PEM))
            if not chain and not key and keys.given is not None:
                return self._save({})
            found = await self.hass.async_add_executor_job(partial(_parsed, chain, key))
            if isinstance(found, CertifiedKey):
                await keys.set_given(found)
                if self._hub.central.tls_port is not None:
                    # The options may be as they were.
                    await self._hub.security.refresh()
                return self._save({})
            errors = found
        return self.async_show_form(
            step_id="certificate_pasted",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {vol.Optional(CONF_CERTIFICATE_PEM): PEM, vol.Optional(CONF_KEY_PEM): PEM}
                ),
                user_input,
            ),
            errors=errors,
        )

    def _problems(self, source: CertificateSource, answers: dict[str, Any]) -> dict[str, str]:
        """Return what is wrong with the first answers, by field."""
        errors: dict[str, str] = {}
        if source is CertificateSource.OFF:
            if self._encrypted_stations():
                errors[CONF_TLS_CERTIFICATE] = "tls_needed"
            return errors
        port: int = answers[CONF_TLS_PORT]
        if port == self.config_entry.data[CONF_PORT]:
            errors[CONF_TLS_PORT] = "tls_port_same"
        elif port != self._hub.central.tls_port and (problem := port_problem(port)):
            errors[CONF_TLS_PORT] = problem
        if pem := answers.get(CONF_TLS_AUTHORITIES, "").strip():
            try:
                answers[CONF_TLS_AUTHORITIES] = parse_authorities(pem, dt_util.utcnow())
            except CertificateError as error:
                errors[CONF_TLS_AUTHORITIES] = f"certificate_{error.problem}"
        return errors

    def _encrypted_stations(self) -> list[str]:
        """Return the names of the stations that may not come without encryption."""
        keys = self._hub.security.keyring
        return [
            station.title
            for station in self.config_entry.get_subentries_of_type(SUBENTRY_STATION)
            if keys.keys(station.data[CONF_STATION_ID]).security_profile
            >= SecurityProfile.TLS_PASSWORD
        ]

    def _save(self, more: dict[str, Any]) -> ConfigFlowResult:
        """Keep what was answered, and what other dialogs ask for."""
        known = self.config_entry.options
        rest = {key: value for key, value in known.items() if key not in TLS_OPTIONS}
        return self.async_create_entry(data={**rest, **self._tls, **more})

    @property
    def _hub(self) -> Hub:
        return running_hub(self.config_entry)


def _parsed(chain: str, key: str) -> CertifiedKey | dict[str, str]:
    """Return what was pasted, or what is wrong with it."""
    try:
        load_chain(chain)
    except CertificateError as error:
        return {CONF_CERTIFICATE_PEM: f"certificate_{error.problem}"}
    try:
        return parse_certified_key(chain, key, dt_util.utcnow())
    except CertificateError as error:
        is_key = error.problem in (*OF_THE_KEY, Problem.NOT_PEM)
        field = CONF_KEY_PEM if is_key else CONF_CERTIFICATE_PEM
        return {field: f"certificate_{error.problem}"}
