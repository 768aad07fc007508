"""These tests run without Home Assistant: what they cover must be usable without it."""

from pathlib import Path
import sys
from types import ModuleType

ROOT = Path(__file__).parents[2]

# The package of the integration imports Home Assistant. An empty one with the same __path__ takes
# its place, so that the modules below have their usual names. Somebody who runs all tests at once
# has Home Assistant loaded already; then nothing needs to be done.
if "homeassistant" not in sys.modules:
    package = ModuleType("custom_components.forecourt")
    package.__path__ = [str(ROOT / "custom_components/forecourt")]
    sys.modules[package.__name__] = package
    # Whoever imports it all the same, fails: such a test belongs into tests/component.
    sys.modules["homeassistant"] = None  # type: ignore[assignment]
