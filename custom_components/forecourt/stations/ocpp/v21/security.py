"""How a station of OCPP 2.1 is given what a higher security profile takes."""

from ..v201.security import INTERFACES, Security201


class Security21(Security201):
    """The messages to one station: those of 2.0.1, with the words that 2.1 adds."""

    ocpp_version = "OCPP21"
    # Which one may be left to the station.
    interfaces = ("Any", *INTERFACES)
