"""Home Assistant's own broker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from homeassistant.components.mqtt import (
    async_publish,
    async_subscribe,
    async_subscribe_connection_status,
    async_wait_for_mqtt_client,
    is_connected,
)
from homeassistant.components.mqtt.models import DATA_MQTT, ReceiveMessage
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from ..declarative.link import LinkError, LinkFault
from .broker import Listener, Unsubscribe


class HomeAssistantBroker:
    """The broker of the MQTT integration. Implements `Broker`."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use what is set up there."""
        self._hass = hass

    @property
    def connected(self) -> bool:
        """Whether the integration is set up, and its broker answers."""
        return DATA_MQTT in self._hass.data and is_connected(self._hass)

    async def wait_ready(self) -> None:
        """Return when the integration is ready to be used. `LinkError` if it is not set up."""
        if not await async_wait_for_mqtt_client(self._hass):
            raise LinkError(LinkFault.REFUSED, "the MQTT integration is not set up")

    async def subscribe(self, topic: str, listener: Listener) -> Unsubscribe:
        """Listen to a topic, now and after every reconnection. `LinkError` if not set up."""

        @callback
        def take(message: ReceiveMessage) -> None:
            payload = message.payload
            data = payload.encode() if isinstance(payload, str) else bytes(payload)
            listener(message.topic, data, message.retain)

        with _as_link_error():
            return await async_subscribe(self._hass, topic, take, encoding=None)

    async def publish(
        self, topic: str, payload: str, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Hand a message to the broker. Raises `LinkError` without a connection."""
        if not self.connected:
            raise LinkError(LinkFault.REFUSED, "Home Assistant has no connection to its broker")
        with _as_link_error():
            await async_publish(self._hass, topic, payload, qos, retain)

    def on_connection(self, listener: Callable[[bool], None]) -> Unsubscribe:
        """Call `listener` when the connection comes (True) and goes (False)."""

        @callback
        def told(connected: bool) -> None:  # a method cannot be marked as a callback itself
            listener(connected)

        return async_subscribe_connection_status(self._hass, told)


@contextmanager
def _as_link_error() -> Iterator[None]:
    try:
        yield
    except HomeAssistantError as err:
        raise LinkError(LinkFault.REFUSED, err.translation_key or type(err).__name__) from err
