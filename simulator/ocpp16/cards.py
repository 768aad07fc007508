"""The card reader: who may charge, by the server or without it (OCPP 1.6 §3.5, §4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from ..frames import LinkDownError, NoAnswerError, RpcError
from ..rpc import Link
from .authorisation import IdTagInfo
from .connector import Connector
from .internals import Internals

type TapResult = Literal["started", "stopped", "waiting", "cancelled", "refused", "busy", "ignored"]
"""What a tap led to: a transaction, its end, waiting for the plug, taking that back, a card that is
not allowed, all connectors in use by others or kept for them, or nothing at all (no power, out of
service)."""


class CardReader:
    """The reader of one station."""

    def __init__(
        self,
        internals: Internals,
        connectors: Mapping[int, Connector],
        ready_link: Callable[[], Link | None],
    ) -> None:
        """`ready_link` returns the link to a server that has accepted the station, or None."""
        self._in = internals
        self._connectors = connectors
        self._ready_link = ready_link

    async def tap(self, card: str, connector: Connector | None = None) -> TapResult:
        """Hold a card to the reader; without a connector the station finds the right one."""
        among = [connector] if connector is not None else list(self._connectors.values())
        if not any(one.evse.powered for one in among):
            return "ignored"
        for one in among:
            if one.transaction is not None and _same(one.transaction.id_tag, card):
                one.stop("Local", id_tag=card)
                return "stopped"
            if one.grant is not None and _same(one.grant.id_tag, card):
                one.grant = None
                self._in.changed()
                return "cancelled"
        if not any(one.usable or one.transaction is not None for one in among):
            return "ignored"
        return await self._tap_unknown(card, among)

    async def _tap_unknown(self, card: str, among: list[Connector]) -> TapResult:
        info = await self.authorise(card)
        if info["status"] != "Accepted":
            self._in.books.card_refused(card, info["status"])
            return "refused"
        parent = info.get("parentIdTag")
        chosen = choose(among, card, parent)
        if chosen is None:
            return self._stop_as_family(among, card, parent)
        chosen.allow(card, parent, None)
        return "started" if chosen.transaction is not None else "waiting"

    async def authorise(self, card: str) -> IdTagInfo:
        """Return the idTagInfo of a card, from the server if it must be asked and can."""
        settings = self._in.settings
        known = self._in.local_auth.known(
            card,
            self._in.time.now(),
            use_list=self._in.config.supports("LocalAuthListManagement")
            and settings.flag("LocalAuthListEnabled"),
            use_cache=settings.flag("AuthorizationCacheEnabled"),
        )
        accepted = known is not None and known["status"] == "Accepted"
        link = self._ready_link()
        if link is not None and not (accepted and settings.flag("LocalPreAuthorize")):
            try:
                answer = await link.call("Authorize", {"idTag": card})
            except RpcError as err:
                self._in.books.note("authorize_failed", card=card, why=str(err))
                return {"status": "Invalid"}
            except LinkDownError, NoAnswerError:
                pass
            else:
                info: IdTagInfo = answer["idTagInfo"]
                self._in.local_auth.remember(card, info)
                return info
        elif link is not None and known is not None:
            return known
        if known is not None:
            allowed = accepted and settings.flag("LocalAuthorizeOffline")
            return known if allowed or not accepted else {"status": "Invalid"}
        return {"status": "Accepted" if settings.flag("AllowOfflineTxForUnknownId") else "Invalid"}

    def _stop_as_family(self, among: list[Connector], card: str, parent: str | None) -> TapResult:
        """Cards with one parent may end each other's transactions (§3.10)."""
        for one in among:
            if (
                one.transaction is not None
                and parent is not None
                and one.transaction.parent_id_tag == parent
            ):
                one.stop("Local", id_tag=card)
                return "stopped"
        taken = (one.transaction is not None or one.status == "Reserved" for one in among)
        return "busy" if any(taken) else "ignored"


def choose(among: Iterable[Connector], card: str, parent: str | None) -> Connector | None:
    """Find the connector that a card is meant for.

    One that is reserved for it, else one with a waiting car, else a free one.
    """
    usable = [one for one in among if one.usable_for(card, parent) and one.grant is None]
    reserved = [one for one in usable if one.reserved]
    waiting = [one for one in usable if one.evse.car is not None]
    return next(iter(reserved or waiting or usable), None)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
