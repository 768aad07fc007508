"""These tests run without Home Assistant, over real sockets."""

# Before anything of the integration: it puts Home Assistant out of reach.
import tests.unit.conftest  # noqa: F401 - for what it does
