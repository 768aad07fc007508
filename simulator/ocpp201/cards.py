"""The card reader: who may charge, by the server or without it (OCPP 2.0.1 block C)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..frames import LinkDownError, NoAnswerError, RpcError
from ..ocpp16.cards import TapResult
from ..rpc import Link
from .internals import Internals, Permit
from .outlet import Outlet
from .reservations import Reservations
from .tokens import IdTokenInfo, Token


class CardReader:
    """The reader of one station."""

    def __init__(
        self,
        internals: Internals,
        outlets: Mapping[int, Outlet],
        reservations: Reservations,
        ready_link: Callable[[], Link | None],
    ) -> None:
        """`ready_link` returns the link to a server that has accepted the station, or None."""
        self._in = internals
        self._outlets = outlets
        self._reservations = reservations
        self._ready_link = ready_link

    async def tap(self, card: str, outlet: Outlet | None = None) -> TapResult:
        """Hold a card to the reader; without an EVSE the station finds the right one."""
        token = Token(card, self._in.config.token_type)
        among = [outlet] if outlet is not None else list(self._outlets.values())
        if not any(one.evse.powered for one in among):
            return "ignored"
        for one in among:
            if one.permit is not None and one.permit.token.same(token):
                if one.transaction is None:
                    one.disallow("StopAuthorized", "Local")
                    return "cancelled"
                one.disallow("StopAuthorized", "Local", token)
                return "stopped"
        if not any(one.usable or one.permit is not None for one in among):
            return "ignored"
        return await self._tap_unknown(token, among)

    async def _tap_unknown(self, token: Token, among: list[Outlet]) -> TapResult:
        info = await self.authorise(token)
        group = Token.group_of(info)
        allowed = info.get("evseId")
        fitting = [one for one in among if allowed is None or one.number in allowed]
        if info["status"] != "Accepted" or not fitting:
            status = info["status"] if fitting else "NotAtThisLocation"
            self._in.books.card_refused(token.value, status)
            return "refused"
        if self._is_master(group):
            return self._stop_all(among, token)
        chosen = self.choose(fitting, token, group)
        if chosen is None:
            return self._stop_as_family(among, token, group)
        chosen.allow(Permit(token, group))
        return "started" if chosen.transaction is not None else "waiting"

    def choose(self, among: list[Outlet], token: Token, group: Token | None) -> Outlet | None:
        """Find the EVSE that a token is meant for: one with a waiting car, else a free one."""
        usable = [
            one for one in among if one.usable and self._reservations.admits(one, token, group)
        ]
        waiting = [one for one in usable if one.plugged is not None]
        return next(iter(waiting or usable), None)

    async def authorise(self, token: Token) -> IdTokenInfo:
        """Return the idTokenInfo of a token, from the server if it must be asked and can."""
        variables = self._in.variables
        known = self._in.local_auth.known(
            token,
            self._in.time.now(),
            use_list=variables.flag("LocalAuthListCtrlr.Enabled"),
            use_cache=variables.flag("AuthCacheCtrlr.Enabled"),
            lifetime_s=variables.number("AuthCacheCtrlr.LifeTime"),
        )
        accepted = known is not None and known["status"] == "Accepted"
        link = self._ready_link()
        if link is not None and not (accepted and variables.flag("AuthCtrlr.LocalPreAuthorize")):
            try:
                answer = await link.call("Authorize", {"idToken": token.wire()})
            except RpcError as err:
                self._in.books.note("authorize_failed", card=token.value, why=str(err))
                return {"status": "Invalid"}
            except LinkDownError, NoAnswerError:
                pass
            else:
                info: IdTokenInfo = answer["idTokenInfo"]
                self._in.local_auth.remember(token, info, self._in.time.now())
                return info
        elif link is not None and known is not None:
            return known
        if known is not None:
            allowed = accepted and variables.flag("AuthCtrlr.LocalAuthorizeOffline", default=True)
            return known if allowed or not accepted else {"status": "Invalid"}
        unknown = variables.flag("AuthCtrlr.OfflineTxForUnknownIdEnabled")
        return {"status": "Accepted" if unknown else "Invalid"}

    def _is_master(self, group: Token | None) -> bool:
        """Whether a card may end everybody's transactions (C16)."""
        master = self._in.variables.text("AuthCtrlr.MasterPassGroupId")
        return bool(master) and group is not None and group.value.casefold() == master.casefold()

    def _stop_all(self, among: list[Outlet], token: Token) -> TapResult:
        running = [one for one in among if one.transaction is not None]
        for one in running:
            one.disallow("StopAuthorized", "MasterPass", token)
        return "stopped" if running else "ignored"

    def _stop_as_family(self, among: list[Outlet], token: Token, group: Token | None) -> TapResult:
        """Tokens of one group may end each other's transactions (C09)."""
        for one in among:
            running = one.transaction
            if running is None or one.permit is None or group is None:
                continue
            if group.same(running.group):
                one.disallow("StopAuthorized", "Local", token)
                return "stopped"
        return "busy"
