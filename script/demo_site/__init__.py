"""Runs a real Home Assistant with Forecourt and a simulated station, for people and tests."""
