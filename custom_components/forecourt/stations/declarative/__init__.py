"""Stations that are described by a profile, whatever carries their values.

A `Profile` (YAML, see docs/profiles.md) says what a wallbox tells and how it is ordered; a `Link`
(Modbus, MQTT, or entities of another integration) carries that; `DeclarativeStation` makes a
station of both, with the same capabilities and site events as one that speaks OCPP.
"""
