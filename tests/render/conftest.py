"""What the tests of the pages share: the make-believe reports, which lie one folder up, and a browser that shows them."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; skips where it or Playwright is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tried in a browser")
    if not CHROMIUM:
        pytest.skip("no Chromium on the path (or in $CHROMIUM): no page is tried in a browser")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every make-believe report as a page."""
    import sample_reports

    from nnreport.render import html

    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, maker in sample_reports.every().items():
        made[name] = folder / f"{name}.html"
        made[name].write_text(html.render(maker()), "utf-8")
    return made


@pytest.fixture
def show(browser: Any, files: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """Opens a sample, or a page by its path; at the end there must be no complaint on the console, no dialog, and no request but
    the page itself."""
    contexts, complaints = [], []

    def opened(name: str | Path, hash: str = "", width: int = 1280, **more: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **more)
        contexts.append(context)
        page = context.new_page()
        address = (name if isinstance(name, Path) else files[name]).as_uri()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: None if request.url.split("#")[0] == address else complaints.append(request.url))
        page.goto(address + hash)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
