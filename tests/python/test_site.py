"""The documentation as a site, looked at in a browser: a telephone's width and a desk's."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import ROOT

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("furo")

BROWSER = shutil.which("chromium-headless-shell")
SITE = ROOT / ".build-docs/site"
WIDTHS = 360, 1280

pytestmark = [
    pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the documentation is not here"),
    pytest.mark.needs("chromium-headless-shell"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Build the site, and serve it: a search reads its index over HTTP."""
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    subprocess.run([*build, str(ROOT / "docs"), str(SITE)], check=True)
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # As root there is no sandbox; what it looks at is ours.
        options = {"executable_path": BROWSER, "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


def pages() -> list[str]:
    return sorted(
        str(page.relative_to(ROOT / "docs").with_suffix(".html"))
        for page in (ROOT / "docs").rglob("*.md")
    )


# What is wider than its place: words, signatures and pictures. Code and tables scroll by themselves.
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth
    document.querySelectorAll(".headerlink").forEach((one) => one.remove()) // unseen, and outside
    return [...document.querySelectorAll("p, h1, h2, h3, h4, dt, img")]
        .filter((one) => one.closest("article") && !one.closest(".table-wrapper"))
        .filter((one) => one.getBoundingClientRect().right > width + 1
            || one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.outerHTML.slice(0, 200))
}"""
LINKS = """() => [...document.querySelectorAll("a[href]")].map((link) => link.href)"""
PICTURES = """() => [...document.images]
    .filter((image) => !image.complete || !image.naturalWidth || !image.alt)
    .map((image) => image.src)"""
SCROLLS = """() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits(address: str, browser: Any, width: int, scheme: str) -> None:
    """Nothing is cut off or wider than the window, and each picture is there and says what it is."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    found = {}
    for name in pages():
        page.goto(f"{address}/{name}", wait_until="load")
        wide = page.evaluate(OVERFLOW), page.evaluate(PICTURES), max(0, page.evaluate(SCROLLS))
        if any(wide):
            found[name] = wide
    folder = SITE.parent / "pictures"
    folder.mkdir(exist_ok=True)
    for name in "index", "benchmarks", "patterns/camera":
        page.goto(f"{address}/{name}.html", wait_until="load")
        file = folder / f"{name.replace('/', '-')}-{width}-{scheme}.png"
        page.screenshot(path=file, full_page=True)
    context.close()
    assert found == {}
    assert mistakes == []


def test_no_link_is_dead(address: str, browser: Any) -> None:
    """All within the site, to the very heading; those to elsewhere are not asked for."""
    page = browser.new_page()
    anchors: dict[str, set[str]] = {}
    links: dict[str, set[str]] = {}
    for name in pages():
        page.goto(f"{address}/{name}", wait_until="load")
        anchors[name] = set(
            page.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
        )
        links[name] = {one for one in page.evaluate(LINKS) if one.startswith(address)}
    page.close()
    dead = []
    for name, targets in links.items():
        for target in targets:
            path, _, anchor = target.removeprefix(f"{address}/").partition("#")
            path, anchor = urllib.parse.unquote(path), urllib.parse.unquote(anchor)
            if path.startswith("swift/"):  # of another tool, where that has run
                continue
            if not (SITE / path).is_file() or (
                anchor and anchor not in anchors.get(path, {anchor})
            ):
                dead.append((name, target))
    assert dead == []
    assert sum(map(len, links.values())) > 500


def test_search_finds(address: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{address}/search.html?q=abandoned+lock", wait_until="load")
    page.wait_for_selector("#search-results li a")
    assert any("locks" in one for one in page.evaluate(LINKS))
    page.close()


def test_code_can_be_copied(address: str, browser: Any) -> None:
    """By one press, and without what is no code."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}/patterns/camera.html", wait_until="load")
    page.hover("div.highlight-python >> nth=0")
    page.click("button.copybtn >> nth=0")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("import zinc\n\ncamera = zinc.Channel.open_or_create(")
    context.close()
