"""A command that identifies a wallbox and shows what it tells, without Home Assistant."""
