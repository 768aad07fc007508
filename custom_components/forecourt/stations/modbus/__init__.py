"""Wallboxes that are read and told by Modbus.

`registers` knows how registers hold values, `planning` which requests read them, `link` carries
both over a connection that somebody else has opened: `ha` takes Home Assistant's, the scan and
the probe (`scan`) open their own.
"""
