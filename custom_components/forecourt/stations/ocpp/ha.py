"""Lets stations in through Home Assistant's own HTTP server, with its address and its TLS."""

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.http import HomeAssistantView
from homeassistant.helpers.singleton import singleton

from .server import CentralSystem

URL = "/api/forecourt/ocpp/{identity}"


class OcppView(HomeAssistantView):
    """Hands requests to the central system that runs now.

    Views cannot be unregistered, so there is one per process and it outlives the site.
    """

    url = URL
    name = "api:forecourt:ocpp"
    # Stations know no tokens of Home Assistant; the central system asks for their password.
    requires_auth = False

    def __init__(self) -> None:
        self.extra_urls = [f"{URL}/"]
        self.central: CentralSystem | None = None

    async def get(self, request: web.Request, identity: str) -> web.StreamResponse:
        """Serve a station until its connection ends."""
        if self.central is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return await self.central.handle(request, identity)


@callback
def async_serve(hass: HomeAssistant, central: CentralSystem) -> Callable[[], None]:
    """Serve the central system at `URL`; returns what ends that."""
    view = _async_view(hass)
    view.central = central

    @callback
    def unset() -> None:
        if view.central is central:
            view.central = None

    return unset


@singleton("forecourt_ocpp_view")
@callback
def _async_view(hass: HomeAssistant) -> OcppView:
    view = OcppView()
    hass.http.register_view(view)
    return view
