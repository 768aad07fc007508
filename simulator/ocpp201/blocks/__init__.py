"""The functional blocks of OCPP 2.0.1: what the server may ask, and what the station then does."""
