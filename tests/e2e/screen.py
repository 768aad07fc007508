"""The screen in front of the user, and the hands on mouse and keyboard."""

import asyncio
from collections.abc import Callable
from pathlib import Path
import re

from playwright.async_api import ConsoleMessage, Error, FloatRect, Locator, Page

# What a text looks like that nobody translated, or that misses a value.
UNTRANSLATED = re.compile(
    r"component\.forecourt|state_attributes|formatjs|MISSING_VALUE|\{[a-z_]+\}", re.IGNORECASE
)

INTEGRATION = "/config/integrations/integration/forecourt"

# All text in view below an element, through the shadow roots that Home Assistant is made of.
TEXT = """
(element) => {
  const parts = [];
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      if (node.textContent.trim()) parts.push(node.textContent.trim());
      return;
    }
    if (node.nodeType === Node.ELEMENT_NODE) {
      if (["STYLE", "SCRIPT"].includes(node.tagName)) return;
      const style = getComputedStyle(node);
      if (style.display === "none" || style.visibility === "hidden") return;
      if (node.shadowRoot) return walk(node.shadowRoot);
      const assigned = node.tagName === "SLOT" ? node.assignedNodes() : [];
      if (assigned.length) return assigned.forEach(walk);
    }
    node.childNodes.forEach(walk);
  };
  walk(element);
  return parts.join("\\n");
}
"""


class Screen:
    """A page of the browser; what went wrong in it is kept in `errors`."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.errors: list[str] = []
        self._folder = folder
        self._count = 0
        page.on("console", self._console)
        page.on("pageerror", self._page_error)

    def _page_error(self, error: Error) -> None:
        # The frontend itself does not catch that its Home Assistant is restarted.
        if str(error) != "disconnected":
            self.errors.append(str(error))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "forecourt" in message.text.lower():
            self.errors.append(message.text)

    async def open(self, path: str) -> None:
        """Go to an address and wait until Home Assistant is on the screen."""
        try:
            await self.page.goto(path)
        except Error as error:
            # A dialog that closes goes back in the browser's history, a moment later.
            if "ERR_ABORTED" not in str(error):
                raise
            await self.page.goto(path)
        await self.page.locator("#ha-launch-screen").wait_for(state="detached")

    async def press(self, name: str, within: Locator | None = None) -> None:
        """Press the button of this name."""
        await (within or self.page).get_by_role("button", name=name, exact=True).last.click()

    async def choose(self, text: str) -> None:
        """Click on this text: a line of a menu or of a list."""
        await self.page.get_by_text(text, exact=True).last.click()

    async def fill(self, name: str, text: str) -> None:
        """Write into the field of this name."""
        await self.page.get_by_role("textbox", name=name).fill(text)

    async def fill_number(self, text: str) -> None:
        """Write into the only field for a number."""
        await self.page.get_by_role("spinbutton").fill(text)

    async def see(self, text: str | re.Pattern[str]) -> None:
        """Wait until this can be read."""
        await self.page.get_by_text(text).filter(visible=True).first.wait_for()

    async def device(self, name: str) -> None:
        """Go to the page of a device."""
        await self.open(INTEGRATION)
        await self.page.locator("ha-config-entry-device-row").filter(has_text=name).first.click()
        await self.page.get_by_text(re.compile("^(Device|Service) info$")).wait_for()

    async def reload(self) -> None:
        """Have the site loaded again, by the menu of its entry."""
        await self.open(INTEGRATION)
        row = self.page.locator("ha-config-entry-row").first
        await row.get_by_role("button", name="Menu").first.click()
        async with self.page.expect_response(re.compile("/reload$")):
            await self.page.get_by_role("menuitem", name="Reload").first.click()
        await self.open(INTEGRATION)

    async def state(self, entity: str) -> str:
        """Return what the page of a device shows beside the name of an entity."""
        rows = self.page.locator("ha-device-entities-card hui-generic-entity-row")
        text: str = await rows.filter(has_text=entity).first.evaluate(TEXT)
        return text.removeprefix(entity).strip().replace("\n", " ")

    async def shows(
        self, entity: str, right: str | Callable[[str], bool], seconds: float = 45
    ) -> str:
        """Wait until the page of a device shows the state, and return it; counts are slow."""
        found = ""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await self.state(entity)
                    if found == right if isinstance(right, str) else right(found):
                        return found
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{entity} shows {found!r}") from None

    async def text(self) -> str:
        """Return all that can be read."""
        text: str = await self.page.locator("body").evaluate(TEXT)
        return text

    async def picture(self, name: str, image: str | None = None, height: int = 900) -> None:
        """Keep what is on the screen, numbered as the story goes; all of it must be words.

        With the name of an image, the essential part is kept under that name too: the dialog, or
        of the page the upper part, without what Home Assistant has beside it.
        """
        self._count += 1
        path = self._folder / f"{self._count:02}-{name}.png"
        await self.page.screenshot(path=path, animations="disabled")
        if image is not None:
            await self._image(self._folder / f"images/{image}.png", height)
        wrong = UNTRANSLATED.search(await self.text())
        assert wrong is None, f"{name} shows {wrong}"

    async def _image(self, path: Path, height: int) -> None:
        dialog = self.page.locator("dialog[open]").last
        box = await dialog.bounding_box() if await dialog.count() else None
        if box is None:
            clip = FloatRect(x=256, y=0, width=1024, height=height)
        else:
            x, y, width, height = box["x"], box["y"], box["width"], box["height"]
            clip = FloatRect(x=x - 24, y=y - 24, width=width + 48, height=height + 48)
        await self.page.screenshot(path=path, animations="disabled", clip=clip)


def number(text: str) -> float:
    """Return the number in a text, in the way the language of these tests writes it."""
    found = re.search(r"-?[0-9][0-9,]*(\.[0-9]+)?", text)
    return float(found[0].replace(",", "")) if found else float("nan")
