"""OCPP 2.1, which is OCPP 2.0.1 with more in its messages.

What 2.1 adds of its own (tariffs, payment, batteries, grid support) is not taken: a call
of it is answered NotImplemented, a message that wants no answer is dropped and counted.
"""

from dataclasses import replace

from ocpp.v21 import enums  # type: ignore[import-untyped]

from ..schema import Schemas
from ..v201 import V201, Talk201, preload
from ..v201.lenient import Mender, words_of
from .orders import ASKED21, Orders21
from .security import Security21

SCHEMAS = Schemas("2.1")

V21 = replace(
    V201,
    subprotocol="ocpp2.1",
    schemas=SCHEMAS,
    capabilities=ASKED21,
    talk=lambda accepted: Talk201(accepted, Orders21),
    lenient=Mender(words_of(enums)),
    security=Security21,
    preload=lambda: preload(SCHEMAS),
)
