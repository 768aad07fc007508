"""A real Home Assistant with a site of many stations, each with a user and a card."""

import json
from pathlib import Path
from typing import Any

from script.demo_site.api import Api
from script.demo_site.home import Home

from . import frames

WATCH = Path(__file__).with_name("bench_watch")
DEBUG = """\
  logs:
    custom_components.forecourt: debug
"""
MAIN_FUSE_A = 2000
CREATED = "2026-01-01T00:00:00+00:00"


class House(Home):
    """One Home Assistant; the site is in its storage before it starts.

    One for no stations has no site either: it is Home Assistant without us.
    """

    def __init__(self, folder: Path, http_port: int, ocpp_port: int, stations: int) -> None:
        """Describe it."""
        super().__init__(folder, http_port, "Benchmark")
        self.ocpp_port = ocpp_port
        self._stations = stations

    def prepare(self) -> None:
        """Write the configuration, and the site with its stations and users."""
        self.folder.mkdir()
        super().prepare()
        file = self.config / "configuration.yaml"
        text = file.read_text(encoding="utf-8").replace(DEBUG, "")
        file.write_text(f"{text}bench_watch:\n", encoding="utf-8")
        (self.config / "custom_components/bench_watch").symlink_to(WATCH)
        numbers = range(1, self._stations + 1)
        entries = [self._entry(numbers)] if numbers else []
        self._store("core.config_entries", 1, 5, entries=entries)
        tokens = [
            {"uid": frames.card(number), "user_id": _user(number), "blocked": False}
            for number in numbers
        ]
        self._store("forecourt.vault", 1, 1, key="42" * 32, tokens=tokens, passwords={})

    @staticmethod
    async def lap(api: Api, name: str, results: dict[str, Any]) -> None:
        """Add how long its event loop was blocked at most since this was asked last."""
        told = await api.get("/api/bench_watch")
        results[f"{name}_block_max_ms"] = told["block"]
        results[f"{name}_block_without_gc_ms"] = told["own"]
        results[f"{name}_block_work_ms"] = told["work"]
        results[f"{name}_gc_pause_ms"] = told["gc"]
        results[f"{name}_full_gcs"] = told["full"]

    @staticmethod
    async def collect(api: Api, name: str, results: dict[str, Any]) -> None:
        """Add how long its garbage collector takes to look at everything.

        It is the last that is asked: what it has looked at, it does not look at again soon.
        """
        told = await api.post("/api/bench_watch")
        results[f"{name}_full_gc_ms"] = told["full"]

    def _store(self, name: str, version: int, minor_version: int, **data: Any) -> None:
        document = {"version": version, "minor_version": minor_version, "key": name, "data": data}
        file = self.config / ".storage" / name
        file.write_text(json.dumps(document), encoding="utf-8")

    def _entry(self, numbers: range) -> dict[str, Any]:
        return {
            "created_at": CREATED,
            "data": {"port": self.ocpp_port},
            "disabled_by": None,
            "discovery_keys": {},
            "domain": "forecourt",
            "entry_id": "01BENCH0000000000000000000",
            "minor_version": 1,
            "modified_at": CREATED,
            "options": {
                "access": "known",
                "main_fuse_a": MAIN_FUSE_A,
                "personal_data": "shared",
                "price_per_kwh": 0.31,
            },
            "pref_disable_new_entities": False,
            "pref_disable_polling": False,
            "source": "user",
            "subentries": [
                *(_station(number) for number in numbers),
                *(_user_entry(number) for number in numbers),
            ],
            "title": "Depot",
            "unique_id": "forecourt",
            "version": 1,
        }


def _user(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _station(number: int) -> dict[str, Any]:
    identity = frames.identity(number)
    return {
        "data": {
            "evses": 1,
            "fallback_current_a": 6,
            "max_current_a": frames.MAX_CURRENT_A,
            "station_id": identity,
        },
        "subentry_id": f"01BENCHSTATION{number:012}",
        "subentry_type": "station",
        "title": identity,
        "unique_id": f"station_{identity}",
    }


def _user_entry(number: int) -> dict[str, Any]:
    return {
        "data": {"group": None, "person": None, "user_id": _user(number)},
        "subentry_id": f"01BENCHUSER000{number:012}",
        "subentry_type": "user",
        "title": f"Driver {number}",
        "unique_id": f"user_{_user(number)}",
    }
