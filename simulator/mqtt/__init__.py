"""Wallboxes that speak MQTT: topics of a model at a broker, driven by the plant."""

from .goe import GoE
from .station import MqttConfig, MqttStation

__all__ = ["GoE", "MqttConfig", "MqttStation"]
