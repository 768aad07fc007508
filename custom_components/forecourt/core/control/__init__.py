"""How much may flow."""
