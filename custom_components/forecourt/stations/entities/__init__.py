"""Stations that are another integration's device: its entities are read and told."""
