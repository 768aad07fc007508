"""Stations that do not keep to OCPP, against a whole site with a station that does."""
