"""The rules of a charging site: standard library only, no I/O, no clock.

Every function that depends on the time takes `now` as an argument, so the same
code runs in Home Assistant, in a simulated year and in a benchmark.
"""
