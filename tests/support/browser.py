"""The real TensorBoard in a real browser: a server on this machine's own address, and headless Chromium.

The browser may ask that server and nobody else; what it asked and what was answered is kept.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, Response, Route, sync_playwright

PATIENCE_MS = 30_000  # a busy machine; nothing here takes that long on an idle one
SIZE = {"width": 1280, "height": 800}
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # WebGL, no GPU


def find_chromium() -> str | None:
    """Return the browser's path, by the variable CHROMIUM or its usual names; None where there is none."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


@contextmanager
def tensorboard(logdir: Path) -> Iterator[str]:
    """Serve a folder with TensorBoard on a free port of 127.0.0.1; yields its address."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", "--host=127.0.0.1", "--port=0"]
    with subprocess.Popen([*command, "--load_fast=false"], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            said = []
            for line in server.stderr:
                said.append(line)
                if address := re.search(r"http://127\.0\.0\.1:\d+/", line):
                    break
            else:
                raise RuntimeError(f"tensorboard ended: {said}")
            yield address[0]
        finally:
            server.terminate()


class Board:
    """TensorBoard as a person sees it, one page after another; `answers` holds the answer to each request by its URL.

    Screenshots go to `pictures`.
    """

    def __init__(self, page: Page, address: str, pictures: Path) -> None:
        self.page, self.address, self.pictures = page, address, pictures
        self.answers: dict[str, Response] = {}
        self.strangers: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.route("**/*", self._only_here)
        page.on("response", self._answered)

    def _only_here(self, route: Route) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()

    def _answered(self, response: Response) -> None:
        self.answers[response.url] = response

    def open(self, name: str) -> Page:
        """Go to one of TensorBoard's pages."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}#{name}")
        return self.page

    def answered(self, part: str) -> list[int]:
        """Return the status of every answer to a request whose URL has this part."""
        return [answer.status for url, answer in self.answers.items() if part in url]

    def text(self, part: str) -> str:
        """Return what was answered to the first request whose URL has this part."""
        return next(answer.text() for url, answer in self.answers.items() if part in url)

    def keep(self, name: str) -> None:
        """Keep a screenshot."""
        self.page.screenshot(path=self.pictures / f"{name}.png")


@contextmanager
def board(logdir: Path, chromium: str, pictures: Path) -> Iterator[Board]:
    """Open TensorBoard on a folder in the browser."""
    with tensorboard(logdir) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield Board(browser.new_page(viewport=SIZE), address, pictures)
        finally:
            browser.close()


def seen(locator: Locator) -> list[str]:
    """Return the texts of elements as they are seen, once the first of them is there."""
    locator.first.wait_for()
    return [" ".join(text.split()) for text in locator.all_inner_texts()]
