"""Boxes that speak MQTT, over Home Assistant's broker or one of their own.

`broker` is the port to a broker, `own_broker` and `ha` are what stands behind it. `link` carries
the values of one box, `payloads` makes values of what it publishes, `discovery` finds boxes by
their topics, and `generic` makes a profile of what a user fills in.
"""
