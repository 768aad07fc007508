"""What a station told last, for a second central system that comes later or again."""

from ..schema import Payload

# An outlet has few connectors; what claims more is not remembered.
MAX_PLACES = 128

type Place = tuple[int, int]
"""EVSE and connector (OCPP 2.x), or connector and 0 (1.6)."""


class Memory:
    """The last BootNotification, and the last status and meter values of each place."""

    def __init__(self) -> None:
        self.boot: Payload | None = None
        self._last: dict[str, dict[Place, Payload]] = {"StatusNotification": {}, "MeterValues": {}}

    def note(self, action: str, payload: Payload, answer: Payload) -> None:
        """Take note of a call of the station; takes no time to speak of."""
        if action == "BootNotification":
            self.boot = payload
        elif (places := self._last.get(action)) is not None:
            place = place_of(payload)
            if place in places or len(places) < MAX_PLACES:
                places[place] = payload

    def forget(self, subprotocol: str) -> None:
        """Forget what does not fit the version of OCPP that the station speaks now.

        It may have booted with it already.
        """
        for places in self._last.values():
            places.clear()
        if self.boot is not None and ("chargingStation" in self.boot) == (subprotocol == "ocpp1.6"):
            self.boot = None

    def last(self, action: str, number: int | None = None) -> list[Payload]:
        """Return the last calls of this action, of all places or of one connector or EVSE."""
        places = self._last.get(action, {})
        return [places[place] for place in sorted(places) if number in (None, place[0])]


def place_of(payload: Payload) -> Place:
    """Return what a status or meter values are about."""
    if "evseId" in payload:
        return payload["evseId"], payload.get("connectorId", 0)
    return payload["connectorId"], 0
