"""Sentences that a dialog puts together, in the language of the house."""

import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from ..const import DOMAIN

_MARKDOWN = re.compile(r"[\\`*_{}\[\]()<>#+!|~-]")
_PREFIX = f"component.{DOMAIN}.common."


class Texts:
    """The sentences below `common` in the translations."""

    def __init__(self, sentences: dict[str, str]) -> None:
        """Use `load`."""
        self._sentences = sentences

    @classmethod
    async def load(cls, hass: HomeAssistant) -> Texts:
        """Read the sentences; English stands in for what is not translated."""
        found = await async_get_translations(hass, hass.config.language, "common", [DOMAIN])
        return cls({key.removeprefix(_PREFIX): text for key, text in found.items()})

    def __call__(self, key: str, **values: Any) -> str:
        """Return a sentence with its values."""
        return self._sentences[key].format(**values)


def plain(text: str) -> str:
    """Return a name for a text in Markdown, so that none of it is taken for that."""
    return _MARKDOWN.sub(r"\\\g<0>", text)


def quoted(text: str) -> str:
    """Return what a stranger wrote as code, so that none of it is taken for Markdown."""
    return f"`{text.replace('`', "'")}`"
