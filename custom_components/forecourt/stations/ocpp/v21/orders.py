"""The site's orders in the messages of OCPP 2.1: those of 2.0.1, and what it adds."""

from decimal import Decimal

from ...base import CanShowPrice, Failure, StationError
from ..settling import only_refusals
from ..v201.orders import ASKED, CALLS, Orders
from . import tariffs

ASKED21: dict[str, type | None] = ASKED | {
    "ChangeTransactionTariff": None,
    "ClearTariffs": None,
    "GetTariffs": None,
    "SetDefaultTariff": CanShowPrice,
}

CALLS21 = (
    CALLS
    | frozenset(ASKED21)
    | {
        "AFRRSignal",
        "AdjustPeriodicEventStream",
        "ClearDERControl",
        "GetDERControl",
        "GetPeriodicEventStream",
        "NotifyAllowedEnergyTransfer",
        "NotifyWebPaymentStarted",
        "RequestBatterySwap",
        "SetDERControl",
        "UpdateDynamicSchedule",
        "UsePriorityCharging",
    }
)

# The id of a tariff tells its price: a station that knows the id has it.
TAKEN = ("Accepted", "DuplicateTariffId")


class Orders21(Orders):
    """The line to a station that is connected and accepted."""

    calls = CALLS21
    max_id_token = 255

    async def show_price(self, price_per_kwh: Decimal, currency: str) -> None:
        """Show the price of energy at every outlet, and reckon with it from now on.

        An outlet that has it already is told nothing: a station keeps it for good.
        """
        wanted = tariffs.tariff_id(price_per_kwh, currency)
        has = await self._default_tariffs()
        every = list(range(1, self._station.info.evses + 1))
        missing = [evse for evse in every if has.get(evse) != wanted]
        if not missing:
            return
        if missing != every or not await self._set_for_all(price_per_kwh, currency):
            for evse in missing:
                payload = tariffs.default_request(evse, price_per_kwh, currency)
                await self._asker.order("SetDefaultTariff", payload, *TAKEN)
        await self._change_running(price_per_kwh, currency)

    async def release(self) -> None:
        """Clear the price with the fallback."""
        await super().release()
        try:
            shown = set((await self._default_tariffs()).values())
            if ours := sorted(one for one in shown if one.startswith(tariffs.PREFIX)):
                answer = await self._asker.ask("ClearTariffs", tariffs.clear_request(ours))
                for status in tariffs.refusals(answer):
                    raise self._asker.failed(Failure.REFUSED, status)
        except StationError as err:
            self._station.logger.debug("The price stays in %s", err)

    async def _default_tariffs(self) -> dict[int, str]:
        """Return the tariff of each EVSE, as far as the station tells."""
        try:
            answer = await self._asker.ask("GetTariffs", {"evseId": tariffs.STATION})
        except StationError as err:
            only_refusals(err)
            return {}
        return tariffs.default_tariffs(answer, self._station.info.evses)

    async def _set_for_all(self, price_per_kwh: Decimal, currency: str) -> bool:
        payload = tariffs.default_request(tariffs.STATION, price_per_kwh, currency)
        try:
            await self._asker.order("SetDefaultTariff", payload, *TAKEN)
        except StationError as err:
            if err.failure is not Failure.REFUSED:
                raise
            return False
        return True

    async def _change_running(self, price_per_kwh: Decimal, currency: str) -> None:
        """Have what runs go on at the price; where that fails the next one has it."""
        for transaction_id in tuple(self._station.transactions.values()):
            try:
                reference = await self._reference(transaction_id)
                payload = tariffs.change_request(reference, price_per_kwh, currency)
                # It may have ended just now.
                await self._asker.order(
                    "ChangeTransactionTariff", payload, "Accepted", "TxNotFound"
                )
            except StationError as err:
                only_refusals(err)
                self._station.logger.warning("A charge goes on at the old price: %s", err)
