"""Dialogs as the frontend has them: begun, answered, looked at again, closed."""

import asyncio
import json
from pathlib import Path
import re
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigSubentry,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import (
    FlowManager,
    FlowResultType,
    UnknownFlow,
    section,
)

import custom_components.forecourt
from custom_components.forecourt.const import DOMAIN

STRINGS: dict[str, Any] = json.loads(
    (Path(custom_components.forecourt.__file__).parent / "translations/en.json").read_text("utf-8")
)
SECTIONS = {
    FlowResultType.FORM: "step",
    FlowResultType.MENU: "step",
    FlowResultType.SHOW_PROGRESS: "progress",
    FlowResultType.ABORT: "abort",
    FlowResultType.CREATE_ENTRY: "create_entry",
}


class Dialog:
    """One dialog; `shown` is what the user sees. Every text is checked for what it lacks."""

    def __init__(self, manager: FlowManager[Any, Any, Any], strings: dict[str, Any]) -> None:
        self._manager = manager
        self._strings = strings
        self.shown: Any = None

    async def begin(self, *args: Any, **kwargs: Any) -> Dialog:
        return self._show(await self._manager.async_init(*args, **kwargs))

    async def answer(self, step: str, **answers: Any) -> None:
        """Submit the form that must be the one that is shown."""
        assert self.shown["step_id"] == step
        self._show(await self._manager.async_configure(self.shown["flow_id"], answers))

    async def choose(self, step: str, option: str) -> None:
        """Choose from the menu that must be the one that is shown."""
        assert option in self.shown["menu_options"]
        await self.answer(step, next_step_id=option)

    async def look(self) -> None:
        """Fetch the dialog again, as the frontend does when it hears that it changed."""
        self._show(await self._manager.async_configure(self.shown["flow_id"]))

    async def progress(self, step: str) -> None:
        """Wait until the dialog is at this step by itself, and look."""
        async with asyncio.timeout(25):
            while self._current["step_id"] != step:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await self.look()

    def close(self) -> None:
        if self.is_open:
            self._manager.async_abort(self.shown["flow_id"])

    @property
    def is_open(self) -> bool:
        try:
            self._manager.async_get(self.shown["flow_id"])
        except UnknownFlow:
            return False
        return True

    @property
    def _current(self) -> Any:
        return self._manager.async_get(self.shown["flow_id"])

    @property
    def step(self) -> str:
        """The step that is shown, or the reason of the end, or that an entry was created."""
        return str(self.shown.get("step_id") or self.shown.get("reason") or self.shown["type"])

    @property
    def errors(self) -> dict[str, str]:
        return dict(self.shown["errors"])

    @property
    def placeholders(self) -> dict[str, str]:
        return dict(self.shown["description_placeholders"])

    @property
    def filled(self) -> dict[str, Any]:
        """What the fields of the form are filled with."""
        return {
            str(key): key.description["suggested_value"]
            for key in self.shown["data_schema"].schema
            if key.description
        }

    def options(self, field: str) -> list[str]:
        """What can be chosen in a field of the form."""
        selector = self.shown["data_schema"].schema[field]
        return [
            option if isinstance(option, str) else option["value"]
            for option in selector.config["options"]
        ]

    def _show(self, shown: Any) -> Dialog:
        self.shown = shown
        if shown.get("translation_domain") is None:
            self._check_texts()
        return self

    def _check_fields(self, schema: Any, texts: Any) -> None:
        sections = {str(key): one for key, one in schema.items() if isinstance(one, section)}
        for key, one in sections.items():
            self._check_fields(one.schema.schema, texts["sections"][key])
        fields = {str(field) for field in schema} - set(sections)
        assert set(texts["data"]) == set(texts["data_description"]) == fields

    def _check_texts(self) -> None:
        """A text that is missing, or names what it is not given, breaks the frontend."""
        shown = self.shown
        key = {
            "abort": shown.get("reason"),
            "progress": shown.get("progress_action"),
            "create_entry": shown.get("description"),
            "step": shown.get("step_id"),
        }[SECTIONS[shown["type"]]]
        if key is None:
            return
        texts = self._strings[SECTIONS[shown["type"]]][key]
        texts = {"": texts} if isinstance(texts, str) else dict(texts)
        if shown["type"] is FlowResultType.FORM and shown["data_schema"] is not None:
            self._check_fields(shown["data_schema"].schema, texts)
        if shown["type"] is FlowResultType.MENU:
            assert set(shown["menu_options"]) <= set(texts["menu_options"])
        if shown.get("errors"):
            texts["error"] = {
                code: self._strings["error"][code] for code in shown["errors"].values()
            }
        given = set(shown["description_placeholders"] or {})
        asked = set(re.findall(r"\{(\w+)\}", json.dumps(texts)))
        assert asked <= given, f"{key}: {asked - given}"


class Desk:
    """Opens dialogs, and closes them at the end of a test."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._hass = hass
        self._opened: list[Dialog] = []

    async def config(self, source: str = SOURCE_USER, **rest: Any) -> Dialog:
        context = {"source": source, **rest.pop("context", {})}
        dialog = self._new(self._hass.config_entries.flow, STRINGS["config"])
        return await dialog.begin(DOMAIN, context=context, **rest)

    async def reconfigure(self, entry: ConfigEntry[Any]) -> Dialog:
        return await self.config(SOURCE_RECONFIGURE, context={"entry_id": entry.entry_id})

    async def options(self, entry: ConfigEntry[Any]) -> Dialog:
        dialog = self._new(self._hass.config_entries.options, STRINGS["options"])
        return await dialog.begin(entry.entry_id)

    async def add(self, entry: ConfigEntry[Any], kind: str) -> Dialog:
        return await self._subentry(entry, kind, source=SOURCE_USER)

    async def edit(self, entry: ConfigEntry[Any], subentry: ConfigSubentry) -> Dialog:
        return await self._subentry(
            entry,
            subentry.subentry_type,
            source=SOURCE_RECONFIGURE,
            subentry_id=subentry.subentry_id,
        )

    def discovered(self, flow: Any) -> Dialog:
        """Open the card of something that was discovered."""
        dialog = self._new(self._hass.config_entries.flow, STRINGS["config"])
        dialog.shown = flow
        return dialog

    def follow(self, dialog: Dialog, kind: str) -> Dialog:
        """Go on with the dialog that follows one that ended."""
        following = self._of_subentry(kind)
        following.shown = {"flow_id": dialog.shown["next_flow"][1]}
        return following

    async def _subentry(self, entry: ConfigEntry[Any], kind: str, **context: str) -> Dialog:
        return await self._of_subentry(kind).begin((entry.entry_id, kind), context=context)

    def _of_subentry(self, kind: str) -> Dialog:
        return self._new(self._hass.config_entries.subentries, STRINGS["config_subentries"][kind])

    def _new(self, manager: FlowManager[Any, Any, Any], strings: dict[str, Any]) -> Dialog:
        dialog = Dialog(manager, strings)
        self._opened.append(dialog)
        return dialog

    def close(self) -> None:
        for dialog in self._opened:
            if dialog.shown is not None:
                dialog.close()


PASSWORD = "correct horse battery"


def stations(site: ConfigEntry[Any]) -> list[ConfigSubentry]:
    return list(site.get_subentries_of_type("station"))
