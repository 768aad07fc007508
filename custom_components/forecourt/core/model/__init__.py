"""What everything talks about: frozen, slotted dataclasses and enums.

Units stand in the names: `energy_wh` and registers are integer watt-hours,
`power_w` watts, `current_a` amperes per phase, money is `Decimal`, time is an
aware UTC `datetime`. `None` means unknown, never zero.
"""
