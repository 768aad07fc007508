"""What a second central system is answered when it wants something of the station: no."""

from collections.abc import Callable

from ..rpc import AnswerError
from ..schema import CALL_RESULT, ErrorCode, Payload, Schemas

# What the versions of OCPP call a no; the first that fits an answer is given.
WORDS = (
    "Rejected",
    "NotSupported",
    "UnlockFailed",
    "Failed",
    "NotFound",
    "NoProfile",
    "NoProfiles",
    "NoFirmware",
    "Unknown",
)

TRIGGERS = ("TriggerMessage", "ExtendedTriggerMessage")


class Refusals:
    """The station's side of the calls of a second central system: an `rpc.Dialect`.

    Nothing of them reaches the station, and no answer says that something was done.
    `can_tell` says whether a message of this name, and of this connector or EVSE, is at
    hand; `tell` has it told.
    """

    once = frozenset[str]()

    def __init__(
        self,
        schemas: Schemas,
        can_tell: Callable[[str, int | None], bool],
        tell: Callable[[str, int | None], None],
    ) -> None:
        self._schemas = schemas
        self._can_tell = can_tell
        self._tell = tell
        self._due: tuple[str, int | None] | None = None

    def admit(self, action: str) -> None:
        """Look at every call."""

    def lenient(self, kind: int, action: str, payload: Payload) -> list[str]:
        """Mend nothing that the schemas do not tell."""
        return []

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Return an answer that means no, or raise `AnswerError`."""
        if action in TRIGGERS:
            return self._trigger(payload)
        if (refuse := _OWN_WORDS.get(action)) is not None:
            return refuse(payload)
        if action == "GetLocalListVersion":
            # OCPP 1.6 §5.10: -1 is no list; 2.0.1 part 2 D02: 0 is an empty one.
            return {"listVersion": -1} if self._schemas.version == "1.6" else {"versionNumber": 0}
        await self._schemas.ensure(CALL_RESULT, action)
        for word in WORDS:
            if self._schemas.fits(CALL_RESULT, action, {"status": word}):
                return {"status": word}
        raise AnswerError(ErrorCode.NOT_SUPPORTED)

    def answered(self, action: str, answer: Payload) -> None:
        """Have told what was asked for, once the second system knows that it comes."""
        if self._due is not None:
            self._tell(*self._due)
            self._due = None

    def ended(self) -> None:
        """Nothing is left to be done."""

    def _trigger(self, payload: Payload) -> Payload:
        evse = payload.get("evse", {}).get("id", payload.get("connectorId"))
        wanted = payload["requestedMessage"], evse
        if not self._can_tell(*wanted):
            return {"status": "Rejected"}
        self._due = wanted
        return {"status": "Accepted"}


def _rejected(asked: Payload) -> Payload:
    """Return the answer for one variable of OCPP 2.x."""
    names = asked.keys() & {"attributeType", "component", "variable"}
    return {name: asked[name] for name in names} | {"attributeStatus": "Rejected"}


def _no_file(_: Payload) -> Payload:
    # No name of a file is no file (OCPP 1.6 §5.9).
    return {}


_OWN_WORDS: dict[str, Callable[[Payload], Payload]] = {
    # Without keys it asks for all there are.
    "GetConfiguration": lambda asked: {
        "configurationKey": [],
        "unknownKey": asked.get("key", []),
    },
    "GetDiagnostics": _no_file,
    "GetVariables": lambda asked: {
        "getVariableResult": list(map(_rejected, asked["getVariableData"]))
    },
    "SetVariables": lambda asked: {
        "setVariableResult": list(map(_rejected, asked["setVariableData"]))
    },
}
