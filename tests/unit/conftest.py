"""These tests run without Home Assistant: what they cover must be usable without it."""

from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
import sys
from types import ModuleType

ROOT = Path(__file__).parents[2]


class NoHomeAssistant:
    """Says what is wrong, rather than make every unit test load Home Assistant."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "homeassistant":
            raise ImportError("unit tests run without Home Assistant; see tests/component")
        return None


# The package of the integration imports Home Assistant. An empty one with the same __path__ takes
# its place, so that the modules below have their usual names. Somebody who runs all tests at once
# has Home Assistant loaded already; then nothing needs to be done.
if "homeassistant" not in sys.modules:
    sys.meta_path.insert(0, NoHomeAssistant)
    package = ModuleType("custom_components.forecourt")
    package.__path__ = [str(ROOT / "custom_components/forecourt")]
    sys.modules[package.__name__] = package
