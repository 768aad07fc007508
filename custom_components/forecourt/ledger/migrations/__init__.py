"""How the ledger's file came to be what it is, one step in each module of `versions`."""
