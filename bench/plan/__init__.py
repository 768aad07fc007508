"""How near plans are to the optimum, and how long they take."""
