"""The price of energy in the messages of OCPP 2.1 (part 2, I07 to I11). Pure functions.

A tariff here is one price per kilowatt-hour, with all taxes in it: the station shows it
and reckons with it, the bill is made by the site. Its id tells the price, so a station
that has the id has the price.
"""

from collections.abc import Iterator
from decimal import Decimal

from ..schema import Payload

PREFIX = "forecourt-"
# Hundredths of a cent and one more: what exchanges quote per kilowatt-hour.
PLACES = 5
STATION = 0


def tariff_id(price_per_kwh: Decimal, currency: str) -> str:
    """Return the id of the tariff with this price."""
    return f"{PREFIX}{currency}-{_text(price_per_kwh)}"


def tariff(price_per_kwh: Decimal, currency: str) -> Payload:
    """Return the TariffType with this price; `currency` is a code of ISO 4217."""
    text = _text(price_per_kwh)
    return {
        "tariffId": tariff_id(price_per_kwh, currency),
        "description": [{"format": "UTF8", "content": f"{text} {currency}/kWh"}],
        "currency": currency,
        "energy": {"prices": [{"priceKwh": float(text)}]},
    }


def default_request(evse: int, price_per_kwh: Decimal, currency: str) -> Payload:
    """Return the payload of SetDefaultTariff; EVSE 0 is the whole station."""
    return {"evseId": evse, "tariff": tariff(price_per_kwh, currency)}


def change_request(reference: str, price_per_kwh: Decimal, currency: str) -> Payload:
    """Return the payload of ChangeTransactionTariff; `reference` is the station's own id."""
    return {"transactionId": reference, "tariff": tariff(price_per_kwh, currency)}


def clear_request(tariff_ids: list[str]) -> Payload:
    """Return the payload of ClearTariffs; there must be one at least."""
    return {"tariffIds": tariff_ids}


def default_tariffs(answer: Payload, evses: int) -> dict[int, str]:
    """Return the id of the default tariff of each EVSE by the answer to GetTariffs."""
    found: dict[int, str] = {}
    for assignment in answer.get("tariffAssignments", ()):
        if assignment["tariffKind"] == "DefaultTariff" and answer["status"] == "Accepted":
            for evse in _evses(assignment, evses):
                found[evse] = assignment["tariffId"]
    return found


def refusals(answer: Payload) -> list[str]:
    """Return what the answer to ClearTariffs says of each tariff that it did not clear."""
    return [
        f"{result.get('tariffId', '')} {result['status']}".strip()
        for result in answer["clearTariffsResult"]
        # There is none to be cleared, so it is as good as cleared.
        if result["status"] not in ("Accepted", "NoTariff")
    ]


def _evses(assignment: Payload, evses: int) -> Iterator[int]:
    """Yield the EVSEs of an assignment: all where it names none, or the station."""
    told = assignment.get("evseIds", [STATION])
    yield from range(1, evses + 1) if STATION in told else told


def _text(price: Decimal) -> str:
    return f"{round(price, PLACES).normalize():f}"
