"""How stations are reached."""
