"""Throws at Forecourt what no honest station would send, and looks whether anything breaks."""
