"""Brings a station that is connected to a higher security profile, without locking it out.

Nothing that a station can show now stops counting before it came back with something better.

Sources: "Improved security for OCPP 1.6-J", edition 3, §4; OCPP 2.0.1 part 2, A01, A02, A05, B09.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from ..base import Failure, StationError
from .certificates import CertificateError, hash_data
from .credentials import SecurityProfile
from .keyring import Keyring
from .station import OcppStation
from .version import SecurityMessages
from .versions import VERSIONS

# A connection that ends in the middle of a call is part of the matter.
MAX_TRIES = 3


class Step(StrEnum):
    """What an upgrade consists of."""

    PASSWORD = "password"  # noqa: S105 - a step, not a secret
    ROOT = "root"
    CERTIFICATE = "certificate"
    PROFILE = "profile"


class Trouble(StrEnum):
    """Why an upgrade came to nothing, or not to its end."""

    BUSY = "busy"
    CHARGING = "charging"
    NOT_HIGHER = "not_higher"
    NO_TLS = "no_tls"
    NOT_BACK = "not_back"
    OFFLINE = "offline"
    OTHER_PORT = "other_port"
    REFUSED = "refused"
    STOPPED = "stopped"
    UNFIT_REQUEST = "unfit_request"


class UpgradeError(Exception):
    """A station is not where it should be; `step` is how far it came, `detail` its own words.

    What it could show before still counts.
    """

    def __init__(
        self, identity: str, trouble: Trouble, step: Step | None = None, detail: str = ""
    ) -> None:
        where = f" at {step}" if step else ""
        super().__init__(f"{identity}: {trouble}{where}{f' ({detail})' if detail else ''}")
        self.trouble = trouble
        self.step = step
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where stations come with TLS, without their identity, and whom they have to trust there.

    `root_pem` is `None` where that is an authority of somebody else.
    """

    url: str
    root_pem: str | None


class Upgrades:
    """The upgrades that are under way, one at a time for each station."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._running: dict[str, asyncio.Task[tuple[Step, ...]]] = {}
        self._is_closed = False

    async def close(self) -> None:
        """Give up what is under way, and take on no more; may be called twice."""
        self._is_closed = True
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def run(
        self, station: OcppStation, profile: SecurityProfile, way: Way | None
    ) -> tuple[Step, ...]:
        """Bring a station to a profile and let it in with nothing less from then on.

        `way` is `None` while there is no port with TLS. Returns what was done; nothing where
        the station proved to be there already. Raises `UpgradeError`.
        """
        identity = station.info.id
        if self._is_closed:
            raise UpgradeError(identity, Trouble.STOPPED)
        if identity in self._running:
            raise UpgradeError(identity, Trouble.BUSY)
        if profile <= self._keyring.credentials(identity).least:
            raise UpgradeError(identity, Trouble.NOT_HIGHER)
        if way is None and profile >= SecurityProfile.TLS_PASSWORD:
            raise UpgradeError(identity, Trouble.NO_TLS)
        work = self._upgrade(station, profile, way or Way(url="", root_pem=None))
        task = self._running[identity] = asyncio.create_task(work)
        try:
            # Ends with whoever waits for it.
            return await task
        except UpgradeError as err:
            if err.trouble is Trouble.NOT_BACK:
                # It was told, and may come later.
                self._keyring.expect(identity, profile)
            raise
        except asyncio.CancelledError:
            if self._is_closed and task.cancelled():
                raise UpgradeError(identity, Trouble.STOPPED) from None
            raise
        finally:
            del self._running[identity]

    async def _upgrade(
        self, station: OcppStation, profile: SecurityProfile, way: Way
    ) -> tuple[Step, ...]:
        await self._reach(station)
        upgrade = _Upgrade(self._keyring, station, profile, way)
        await upgrade.run()
        return tuple(upgrade.done)

    async def _reach(self, station: OcppStation) -> None:
        """Wait a moment for a station that is not there: it may just be coming back."""
        try:
            async with asyncio.timeout(self._keyring.timing.nudge_s):
                await station.ready()
        except TimeoutError:
            raise UpgradeError(station.info.id, Trouble.OFFLINE) from None


class _Upgrade:
    """One upgrade of one station."""

    def __init__(
        self, keyring: Keyring, station: OcppStation, profile: SecurityProfile, way: Way
    ) -> None:
        self.done: list[Step] = []
        self._keyring = keyring
        self._central = keyring.central
        self._timing = keyring.timing
        self._station = station
        self._identity = station.info.id
        self._profile = profile
        self._way = way

    async def run(self) -> None:
        """Take the steps that are still to be taken."""
        if self._proved < self._profile:
            is_certificate = self._profile is SecurityProfile.CERTIFICATE
            if is_certificate and not self._central.is_direct(self._identity):
                # Nobody asks for its certificate where it would go with it.
                raise UpgradeError(self._identity, Trouble.OTHER_PORT)
            await self._climb()
        await self._keyring.change(self._identity, security_profile=self._profile)

    async def _climb(self) -> None:
        self._must_be_idle(None)
        if self._profile < SecurityProfile.CERTIFICATE and not self._has_password:
            await self._give_password()
        if self._profile >= SecurityProfile.TLS_PASSWORD:
            if self._way.root_pem is not None:
                await self._give_root(self._way.root_pem)
            if self._profile is SecurityProfile.CERTIFICATE:
                await self._give_certificate()
            if self._proved < self._profile:
                await self._switch()

    async def _give_password(self) -> None:
        step = Step.PASSWORD
        password, password_hash = await self._keyring.offer_password(self._identity)
        try:
            await self._do(step, lambda: self._messages.set_password(password))
        except UpgradeError as err:
            if err.trouble is Trouble.REFUSED:
                await self._keyring.change(self._identity, next_password_hash=None)
            raise
        await self._come_back(
            step,
            lambda: self._password_shown == password_hash,
            self._confirm,
            self._reconnect,
            self._restart,
        )
        if self._profile is SecurityProfile.PASSWORD:
            with suppress(StationError):
                # It shows the password; what it calls that is its own business.
                await self._confirm()
        self.done.append(step)

    async def _give_root(self, pem: str) -> None:
        step, named = Step.ROOT, hash_data(pem, pem)
        if await self._do(step, lambda: self._messages.has_root(named)):
            return
        await self._do(step, lambda: self._messages.install_root(pem))
        if await self._do(step, lambda: self._messages.has_root(named)) is False:
            detail = "it does not have the certificate that it took"
            raise UpgradeError(self._identity, Trouble.REFUSED, step, detail)
        self.done.append(step)

    async def _give_certificate(self) -> None:
        await self._do(Step.CERTIFICATE, lambda: self._keyring.certify(self._station))
        self.done.append(Step.CERTIFICATE)

    async def _switch(self) -> None:
        step = Step.PROFILE
        self._must_be_idle(step)
        await self._do(step, lambda: self._messages.set_profile(self._profile, self._way.url))
        await self._come_back(
            step, lambda: self._proved >= self._profile, self._reconnect, self._restart
        )
        self.done.append(step)

    # What the station shows

    @property
    def _messages(self) -> SecurityMessages:
        """What it is told, in the version that it speaks now."""
        return VERSIONS[self._station.info.protocol].security(self._station)

    @property
    def _proved(self) -> SecurityProfile:
        return self._central.security_profile(self._identity) or SecurityProfile.NONE

    @property
    def _password_shown(self) -> str | None:
        proof = self._central.proof(self._identity)
        return None if proof is None else proof.password_hash

    @property
    def _has_password(self) -> bool:
        return self._password_shown is not None

    def _must_be_idle(self, step: Step | None) -> None:
        """Refuse to go on while somebody charges, as it may have to restart."""
        if self._station.transactions:
            raise UpgradeError(self._identity, Trouble.CHARGING, step)

    # The ways to it

    async def _do[T](self, step: Step, order: Callable[[], Awaitable[T]]) -> T:
        """Give an order once the station is there, and again if it goes away meanwhile."""
        for last in (False,) * (MAX_TRIES - 1) + (True,):
            try:
                async with asyncio.timeout(self._timing.upgrade_s):
                    await self._station.ready()
            except TimeoutError:
                raise UpgradeError(self._identity, Trouble.NOT_BACK, step) from None
            try:
                return await order()
            except CertificateError as err:
                raise UpgradeError(self._identity, Trouble.UNFIT_REQUEST, step, str(err)) from err
            except StationError as err:
                if err.failure is not Failure.OFFLINE or last:
                    raise self._failed(step, err) from err
        raise AssertionError  # pragma: no cover - the last try returns or raises

    async def _come_back(
        self,
        step: Step,
        is_back: Callable[[], bool],
        *nudges: Callable[[], Awaitable[None]],
    ) -> None:
        """Wait until the station shows what it was given; now and then, help it along."""
        knocked = asyncio.Event()
        end = self._central.subscribe_knocks(lambda _: knocked.set())

        async def back() -> None:
            while not is_back():
                knocked.clear()
                await knocked.wait()

        try:
            async with asyncio.timeout(self._timing.upgrade_s):
                for nudge in nudges:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._timing.nudge_s):
                            return await back()
                    with suppress(StationError):
                        await nudge()
                await back()
        except TimeoutError:
            raise UpgradeError(self._identity, Trouble.NOT_BACK, step) from None
        finally:
            end()

    async def _confirm(self) -> None:
        await self._messages.confirm_profile(SecurityProfile.PASSWORD, self._way.url)

    async def _reconnect(self) -> None:
        self._central.reconnect(self._identity)

    async def _restart(self) -> None:
        if not self._station.transactions:
            await self._station.reset()

    def _failed(self, step: Step, err: StationError) -> UpgradeError:
        is_word = err.failure in (Failure.REFUSED, Failure.NOT_SUPPORTED)
        trouble = Trouble.REFUSED if is_word else Trouble.NOT_BACK
        return UpgradeError(self._identity, trouble, step, err.detail or err.failure)
