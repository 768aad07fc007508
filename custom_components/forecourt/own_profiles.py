"""Follows the profiles of the user's own folder while they are written."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
import logging
from pathlib import Path
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval

from .const import DOMAIN
from .stations.declarative.library import Library

_LOGGER = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=30)
ISSUE_OWN_PROFILE = "own_profile_wrong"
MAX_PROBLEMS = 10
"""How many mistakes of one file are told at a time."""


class OwnProfiles:
    """Looks for changed files from time to time, and tells what is wrong with them."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        library: Library,
        folder: Path,
        *,
        in_use: Callable[[], Iterable[str]],
        changed: Callable[[frozenset[str]], Coroutine[Any, Any, None]],
    ) -> None:
        """Do nothing before `open`.

        `in_use` gives the ids of profiles that stations run with, and `changed` is awaited with
        those that may differ from what they were.
        """
        self._hass = hass
        self._entry = entry
        self._library = library
        self._folder = folder
        self._in_use = in_use
        self._changed = changed
        self._had_folder = False
        self._told: dict[str, str] = {}
        self._stop: CALLBACK_TYPE | None = None
        self._looking: asyncio.Task[None] | None = None

    @callback
    def open(self) -> None:
        """Look now, and every half a minute."""
        self._stop = async_track_time_interval(self._hass, self._look_soon, LOOK_EVERY)
        self._look_soon()

    async def close(self) -> None:
        """Look no more; what is under way is waited for. May be called twice."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)

    @callback
    def _look_soon(self, _: datetime | None = None) -> None:
        if self._looking is None or self._looking.done():
            self._looking = self._hass.async_create_background_task(
                self._look(), f"{DOMAIN} profiles"
            )

    async def _look(self) -> None:
        changed, problems = await self._hass.async_add_executor_job(self._read)
        if problems is None:
            return
        for profile_id in set(self._in_use()) - set(self._library.ids()):
            problems[profile_id] = f"{profile_id}.yaml is gone."
        self._tell(problems)
        if changed:
            _LOGGER.info("Profiles changed: %s", ", ".join(sorted(changed)))
            await self._changed(changed)

    def _read(self) -> tuple[frozenset[str], dict[str, str] | None]:
        """Return what changed and what is wrong, in the executor; `None` without a folder."""
        has_folder = self._folder.is_dir()
        had_folder, self._had_folder = self._had_folder, has_folder
        if not has_folder and not had_folder:
            return frozenset(), None
        changed = self._library.reload()
        wrong = self._library.problems(own_only=True)
        return changed, {
            name: "\n".join(f"- {problem}" for problem in error.problems[:MAX_PROBLEMS])
            for name, error in wrong.items()
        }

    @callback
    def _tell(self, problems: dict[str, str]) -> None:
        for profile_id in self._told.keys() - problems.keys():
            ir.async_delete_issue(self._hass, DOMAIN, f"{ISSUE_OWN_PROFILE}_{profile_id}")
        for profile_id, reason in problems.items():
            if self._told.get(profile_id) == reason:
                continue
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                f"{ISSUE_OWN_PROFILE}_{profile_id}",
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=ISSUE_OWN_PROFILE,
                translation_placeholders={"profile": profile_id, "reason": reason},
            )
        self._told = problems
