"""These tests run the integration in a Home Assistant without a frontend."""

import pytest

# Before any other module named custom_components is imported: the first one is the one where
# Home Assistant looks for integrations.
import custom_components.forecourt  # noqa: F401


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load Forecourt."""
