"""These tests use a real Home Assistant with a real browser, as somebody new to Forecourt does.

There is one Home Assistant and one simulated station for all of them. What the browser showed is
kept in .cache/e2e, for people to look at.
"""

from collections.abc import AsyncIterator, Generator, Iterator
import shutil

from playwright.async_api import Browser, async_playwright
import pytest
import pytest_asyncio

from script.demo_site.api import Api
from script.demo_site.home import Home
from script.demo_site.place import Place
from script.demo_site.ports import HTTP_PORT, OCPP_PORT, claim_port, held
from script.demo_site.process import ROOT
from script.demo_site.wallbox import Wallbox

from .screen import Screen

SCREENSHOTS = ROOT / ".cache/e2e"
STATION = "GARAGE-1"
SPEED = 60

BROKEN = pytest.StashKey[bool]()
FAILED = pytest.StashKey[dict[str, str]]()

# All in one event loop: the browser and Home Assistant outlive a test.
session_fixture = pytest_asyncio.fixture(scope="session", loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[BROKEN] = True
        item.session.stash.setdefault(FAILED, {}).setdefault(item.path.name, item.name)
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    # The tests of a file tell one story: what follows a failure would only fail for that.
    if failed := item.session.stash.get(FAILED, {}).get(item.path.name):
        pytest.skip(f"{failed} failed")


@session_fixture
async def place() -> AsyncIterator[Place]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for old in SCREENSHOTS.glob("*.png"):
        old.unlink()
    with Place.claim("site", SCREENSHOTS) as place:
        yield place


@session_fixture
async def home(place: Place) -> AsyncIterator[Home]:
    home = Home(place.folder, claim_port(HTTP_PORT), name="Home")
    home.prepare()
    try:
        await home.start()
        yield home
    finally:
        await home.process.stop()
    assert home.process.code == 0


@session_fixture
async def api(home: Home) -> AsyncIterator[Api]:
    async with home.api() as api:
        yield api


@pytest.fixture(scope="session")
def usual_port_taken() -> Iterator[None]:
    """Have another program listen where stations usually dial."""
    with held(OCPP_PORT):
        yield


@pytest.fixture(scope="session")
def ocpp_port(usual_port_taken: None) -> int:
    return claim_port(OCPP_PORT)


@session_fixture
async def wallbox(place: Place, ocpp_port: int) -> AsyncIterator[Wallbox]:
    """Return a station that is not switched on yet."""
    wallbox = Wallbox(
        *(place.folder, STATION, ocpp_port, "--speed", str(SPEED)),
        *("--vendor", "Virtual", "--model", "Wallbox 11"),
    )
    try:
        yield wallbox
    finally:
        await wallbox.process.stop()


@session_fixture
async def browser() -> AsyncIterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.fail("There is no Chromium; script/bootstrap browser installs it as root")
    arguments = [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        # A home without internet: nothing that the frontend fetches from there may matter.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        await browser.close()


@session_fixture
async def screen(home: Home, browser: Browser) -> AsyncIterator[Screen]:
    context = await browser.new_context(
        base_url=home.url,
        viewport={"width": 1280, "height": 900},
        service_workers="block",
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(10_000)
    screen = Screen(await context.new_page(), SCREENSHOTS)
    yield screen
    await context.close()
    # Errors of our own in the browser's console would be invisible otherwise.
    assert screen.errors == []


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _picture_of_failure(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Keep what the browser showed when a test failed."""
    yield
    if request.node.stash.get(BROKEN, False) and "screen" in request.fixturenames:
        screen: Screen = request.getfixturevalue("screen")
        await screen.page.screenshot(path=SCREENSHOTS / f"failed-{request.node.name}.png")
