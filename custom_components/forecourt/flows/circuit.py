"""Adds and changes circuits: fused feeders between the main fuse and the wallboxes."""

from typing import Any
from uuid import uuid4

from homeassistant.config_entries import (
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
)
import probatio as vol

from ..circuits import circuits_of, is_below
from ..const import (
    CONF_CIRCUIT_ID,
    CONF_LIMIT_A,
    CONF_PARENT,
    CONF_STATION_ID,
    CONF_STATIONS,
    MAX_MAIN_FUSE_A,
    MIN_CURRENT_A,
    SUBENTRY_CIRCUIT,
    SUBENTRY_STATION,
    circuit_unique_id,
)
from .fields import NAME, labelled_choice, same_name, whole_number


class CircuitFlow(ConfigSubentryFlow):
    """A circuit: its fuse, what feeds it, and which wallboxes hang on it."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for a new one."""
        errors = {} if user_input is None else self._errors(user_input)
        if user_input is not None and not errors:
            circuit_id = uuid4().hex
            return self.async_create_entry(
                title=user_input[CONF_NAME].strip(),
                data={CONF_CIRCUIT_ID: circuit_id, **_data(user_input)},
                unique_id=circuit_unique_id(circuit_id),
            )
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(self._schema(), user_input),
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change one."""
        subentry = self._get_reconfigure_subentry()
        errors = {} if user_input is None else self._errors(user_input, subentry)
        if user_input is not None and not errors:
            return self.async_update_and_abort(
                self._get_entry(),
                subentry,
                title=user_input[CONF_NAME].strip(),
                data_updates=_data(user_input),
            )
        known = {
            key: value
            for key, value in {CONF_NAME: subentry.title, **subentry.data}.items()
            if value is not None
        }
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                self._schema(subentry), user_input or known
            ),
            errors=errors,
        )

    def _schema(self, myself: ConfigSubentry | None = None) -> vol.Schema:
        feeders = {circuit.data[CONF_CIRCUIT_ID]: circuit.title for circuit in self._others(myself)}
        stations = [
            SelectOptionDict(value=station.data[CONF_STATION_ID], label=station.title)
            for station in self._get_entry().get_subentries_of_type(SUBENTRY_STATION)
        ]
        fields: dict[vol.Marker, Any] = {
            **NAME,
            vol.Required(CONF_LIMIT_A): whole_number(MIN_CURRENT_A, MAX_MAIN_FUSE_A, "A"),
            vol.Optional(CONF_STATIONS, default=list): SelectSelector(
                SelectSelectorConfig(options=stations, multiple=True)
            ),
        }
        if feeders:
            fields[vol.Optional(CONF_PARENT)] = labelled_choice(feeders)
        return vol.Schema(fields)

    def _errors(
        self, answers: dict[str, Any], myself: ConfigSubentry | None = None
    ) -> dict[str, str]:
        errors: dict[str, str] = {}
        others = self._others(myself)
        name = answers[CONF_NAME].strip()
        if not name:
            errors[CONF_NAME] = "name_empty"
        elif same_name(name, others):
            errors[CONF_NAME] = "name_taken"
        fed = {station for circuit in others for station in circuit.data[CONF_STATIONS]}
        if fed & set(answers[CONF_STATIONS]):
            errors[CONF_STATIONS] = "fed_by_another"
        parent = answers.get(CONF_PARENT)
        if myself is not None and parent is not None:
            circuits = {circuit.id: circuit for circuit in circuits_of(self._get_entry())}
            if is_below(circuits, parent, myself.data[CONF_CIRCUIT_ID]):
                errors[CONF_PARENT] = "circuit_loop"
        return errors

    def _others(self, myself: ConfigSubentry | None) -> list[ConfigSubentry]:
        mine = None if myself is None else myself.subentry_id
        found = self._get_entry().get_subentries_of_type(SUBENTRY_CIRCUIT)
        return [circuit for circuit in found if circuit.subentry_id != mine]


def _data(answers: dict[str, Any]) -> dict[str, Any]:
    return {
        CONF_LIMIT_A: answers[CONF_LIMIT_A],
        CONF_PARENT: answers.get(CONF_PARENT),
        CONF_STATIONS: answers[CONF_STATIONS],
    }
