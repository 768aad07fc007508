"""What may be asked of the site, one module per theme; each lists its `ACTIONS`."""
