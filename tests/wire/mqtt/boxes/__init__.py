"""Boxes that speak MQTT, made from what their makers say: topics, payloads, and what they heed.

They know nothing of the profiles that they are there to test.
"""
