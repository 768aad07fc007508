"""What a station of OCPP 2.0.1 is asked and told when it has connected.

Reads its device model, changes only what differs and was not told before, and has it
tell its present state, so that the site is right again soon after a restart.
"""

from dataclasses import replace
from functools import partial
import secrets

from ...base import CanRefresh, StationError
from ..asker import Asker
from ..foreign import ACTION, clear_foreign
from ..learned import RateUnit
from ..local_list import ITEMS_PER_MESSAGE, ListLimits
from ..schema import Payload
from ..settling import only_refusals, settle_list, tell_once
from ..version import Accepted
from .device_model import DeviceModel, Key, Variable
from .fallback import default_profiles, lost
from .profiles import clearing
from .settings import (
    BAD_STOP,
    CONTROLLERS,
    EDGE_MEASURANDS,
    EVSES,
    GOOD_STARTS,
    IF_LISTED,
    KEYS,
    LIST_BYTES,
    LIST_ENTRIES,
    LIST_ITEMS,
    MEASURANDS,
    NEEDED,
    RATE_UNIT,
    REGISTER,
    SAMPLE_INTERVAL,
    START_POINT,
    STOP_POINT,
    UPDATED_MEASURANDS,
    WANTED,
    items_at_once,
    read_variables,
)
from .triggers import trigger_payload

# How much of the time for an answer the next message of a report may take.
PATIENCE = 1 / 3

# What an entry of a list of tokens takes at most in a message.
ENTRY_BYTES = 300


async def count_evses(asker: Asker) -> int | None:
    """Return the number of outlets of a stranger. Raises `StationError`."""
    model = DeviceModel()
    await read_variables(asker, model, EVSES, len(EVSES))
    return model.evses


class Setup:
    """Sets a station up, once per connection."""

    def __init__(self, accepted: Accepted) -> None:
        self._asker = accepted.asker
        self._station = accepted.station
        self._sample_interval_s = accepted.around.sample_interval_s
        self._patience_s = accepted.around.timing.call_s * PATIENCE
        self.device_model = accepted.station.kept(DeviceModel)

    async def run(self) -> None:
        """Do it all; raises `StationError` where the station is gone or deaf."""
        await self._read()
        self._learn_outlets()
        await self._want(SAMPLE_INTERVAL, self._interval())
        await self._want_measurands()
        for key in EDGE_MEASURANDS:
            await self._want_register(key)
        await self._want_points()
        for wanted in WANTED:
            told = self.device_model[wanted.key]
            if told is not None and told.value is not None and not wanted.met_by(told.value):
                await self._want(wanted.key, wanted.value)
        self._learn_capabilities()
        self._learn_list()
        self._station.settings = self.device_model.summary()
        await self._trigger_all()
        await clear_foreign(self._station, self._clear)
        await self._check_fallback()

    # Reading

    async def _read(self) -> None:
        """Read all that there is once per firmware, and later only what matters."""
        model, firmware = self.device_model, self._station.info.firmware
        if model.firmware != firmware:
            model.forget()
            model.firmware = firmware
        if not self._station.settings:
            # Somebody else may have set any of it.
            model.is_complete = False
        if model.is_complete:
            keys = [key for key in KEYS if key in model]
        else:
            model.is_complete = await self._ask_report()
            keys = [] if model.is_complete else [key for key in KEYS if key not in model]
        if model.evses is None:
            keys.extend(EVSES)
        await read_variables(self._asker, model, keys, items_at_once(model))

    async def _ask_report(self) -> bool:
        """Have the station tell its device model; returns whether it told all of it."""
        for base in ("FullInventory", "SummaryInventory"):
            request_id = secrets.randbelow(2**31)
            self.device_model.expect(request_id)
            payload = {"requestId": request_id, "reportBase": base}
            try:
                status = (await self._asker.ask("GetBaseReport", payload))["status"]
            except StationError as err:
                only_refusals(err)
                return False
            if status == "Accepted":
                whole = await self.device_model.received(self._patience_s)
                return whole and base == "FullInventory"
            if status != "NotSupported":
                return False
        return False

    # Learning

    def _learn_outlets(self) -> None:
        station = self._station
        if (evses := self.device_model.evses) is not None:
            # A part of its device model may leave outlets out.
            learn = station.learn_evses if self.device_model.is_complete else station.expect_evses
            learn(evses)
        units = {item.upper() for item in self._items(RATE_UNIT)}
        if len(units) == 1 and units <= set(RateUnit):
            station.learned.unit = RateUnit(units.pop())

    def _learn_capabilities(self) -> None:
        """Take note of what the station can do, where it says so."""
        model, lacks = self.device_model, self._station.lacks
        for capability, keys in CONTROLLERS.items():
            told = {one.is_true for key in keys if (one := model[key]) is not None}
            # Both may be left out where the component is there.
            absent = model.is_complete and not model.has_component(keys[0].component)
            if absent or False in told:
                lacks.add(capability)
            elif True in told:
                lacks.discard(capability)

    def _learn_list(self) -> None:
        """Take note of how much of a list of tokens the station takes."""
        model = self.device_model
        items, told, entries = model[LIST_ITEMS], model[LIST_BYTES], model[LIST_ENTRIES]
        limits = ListLimits.told(
            None if items is None else items.value,
            # What it holds is its value, what it can hold the limit of that.
            None if entries is None or entries.most is None else str(int(entries.most)),
        )
        size = ListLimits.told(None if told is None else told.value, None).max_items_per_message
        if size is not None:
            fits = max(1, size // ENTRY_BYTES)
            most = min(fits, limits.max_items_per_message or ITEMS_PER_MESSAGE)
            limits = replace(limits, max_items_per_message=most)
        self._station.list_limits = limits

    def _items(self, key: Key) -> tuple[str, ...]:
        told = self.device_model[key]
        return () if told is None else told.items

    # Telling

    def _interval(self) -> str:
        """Return the wanted interval, or the nearest that the station takes."""
        interval_s, told = float(self._sample_interval_s), self.device_model[SAMPLE_INTERVAL]
        if told is not None and told.most is not None:
            interval_s = min(interval_s, told.most)
        if told is not None and told.least is not None:
            interval_s = max(interval_s, told.least)
        return str(int(interval_s))

    async def _want_measurands(self) -> None:
        """Have the meter values that are needed, as far as the station can give them."""
        key, learned = UPDATED_MEASURANDS, self._station.learned
        told = self.device_model[key]
        if told is None or told.value is None or told.value == learned.settled_measurands:
            return
        for quirk in self._station.quirks:
            if quirk.measurands is not None:
                await self._want(key, ",".join(quirk.measurands))
                return
        needed = {one for one in NEEDED if _offered(told, one)}
        if needed and needed <= set(told.items):
            return
        wanted = [one for one in MEASURANDS if _offered(told, one)]
        wanted += [one for one in IF_LISTED if one in told.choices]
        settled = await settle_list(wanted, partial(self._want, key))
        learned.settled_measurands = settled or learned.settled_measurands

    async def _want_register(self, key: Key) -> None:
        """Have the register told at this moment of a transaction."""
        told = self._items(key)
        if REGISTER not in told and not await self._want(key, ",".join((REGISTER, *told))):
            await self._want(key, REGISTER)

    async def _want_points(self) -> None:
        """Have transactions begin with who charges, and not end with a pause (E01, E06)."""
        told = self.device_model[START_POINT]
        if told is not None and not set(told.items) & set(GOOD_STARTS):
            for one in GOOD_STARTS:
                if _offered(told, one) and await self._want(START_POINT, one):
                    break
        stops = self._items(STOP_POINT)
        if BAD_STOP in stops:
            rest = [one for one in stops if one != BAD_STOP]
            await self._want(STOP_POINT, ",".join(rest) or GOOD_STARTS[0])

    async def _want(self, key: Key, value: str, *, again: bool = False) -> bool:
        """Set a variable where it differs; returns whether the station has the value now.

        `again`: although it was written before, to get back to it.
        """
        told = self.device_model[key]
        if told is None or told.value is None or not told.writable or not value:
            return False
        if told.value == value:
            return True

        async def change() -> str:
            data = key.payload | {"attributeValue": value}
            answer = await self._asker.ask("SetVariables", {"setVariableData": [data]})
            return str(answer["setVariableResult"][0]["attributeStatus"])

        status = await tell_once(self._station.tries, str(key), value, change, again=again)
        if status not in ("Accepted", "RebootRequired"):
            return False
        self.device_model.set(key, value)
        return True

    # The fallback

    async def _clear(self, purpose: str) -> str:
        return str((await self._asker.ask(ACTION, clearing(purpose)))["status"])

    async def _check_fallback(self) -> None:
        """Find out whether the station still has its fallback; one that lost it is told again."""
        station, learned = self._station, self._station.learned
        if learned.fallback_written is None:
            return
        try:
            profiles = await default_profiles(station, self._patience_s)
        except StationError as err:
            only_refusals(err)
            profiles = None
        if profiles is None:
            learned.doubt_fallback(station.limiter.now())
        elif lost(profiles, learned.fallback_written, learned.unit, station.info.evses):
            learned.fallback_written = None
        else:
            learned.restarted = False

    # Asking for news

    async def _trigger_all(self) -> None:
        info = self._station.info
        if info.model is None:
            await self._trigger(trigger_payload("BootNotification", None))
        for number in range(1, info.evses + 1):
            for connector in self.device_model.connectors(number):
                await self._trigger(trigger_payload("StatusNotification", number, connector))
            # A transaction that runs is told of by nothing else soon.
            await self._trigger(trigger_payload("TransactionEvent", number))

    async def _trigger(self, payload: Payload) -> None:
        station, message = self._station, payload["requestedMessage"]
        untriggered = any(message in quirk.untriggered for quirk in station.quirks)
        if untriggered or not station.supports(CanRefresh):
            return
        try:
            await self._asker.trigger_with(message, payload)
        except StationError as err:
            only_refusals(err)


def _offered(told: Variable, item: str) -> bool:
    """Whether a list may have the item: all may where the station does not say which."""
    return not told.choices or item in told.choices
