"""The page for everyone: axe-core finds nothing serious, text in pictures can be read, and the keyboard alone does it all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

SERIOUS = ("serious", "critical")
OPEN = """() => {
  for (const each of document.querySelectorAll('section')) each.style.contentVisibility = 'visible';
  for (const each of document.querySelectorAll('details')) each.open = true;
}"""
# Of every text in a picture that shows: its contrast with what lies behind it, as WCAG 2 reckons it.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under, alpha = 1) => top.slice(0, 3).map((v, i) => v * top[3] * alpha + under[i] * (1 - top[3] * alpha));
  const light = c => {
    const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = rgb(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  const found = [];
  for (const text of document.querySelectorAll('svg text')) {
    if (!text.textContent.trim() || !text.getClientRects().length) continue;
    const box = text.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    let under = page;
    for (const shape of text.closest('svg').querySelectorAll('rect, circle')) {
      if (shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING || shape.closest('defs')) continue;
      const room = shape.getBoundingClientRect(), look = getComputedStyle(shape);
      const inside = room.left <= x && x <= room.right && room.top <= y && y <= room.bottom;
      if (!inside || look.fill === 'none' || look.visibility === 'hidden' || look.display === 'none') continue;
      under = over(rgb(look.fill), under, look.fillOpacity * look.opacity);
    }
    const look = getComputedStyle(text);
    const [a, b] = [light(over(rgb(look.fill), under, look.fillOpacity * look.opacity)), light(under)];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text.textContent.slice(0, 40)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(show: Callable[..., Any], scheme: str) -> None:
    assert faults(show("small", color_scheme=scheme, bypass_csp=True), colours=True) == []


@pytest.mark.parametrize("name", ["medium", "large", "hostile", "forward_failed"])
def test_axe_finds_nothing_serious_in_other_pages(show: Callable[..., Any], name: str) -> None:
    # Their colours are the same, and to measure ten thousand of them takes a minute.
    assert faults(show(name, bypass_csp=True), colours=False) == []


def faults(page: Any, colours: bool) -> list[str]:
    """What axe-core calls serious or critical, with all that is closed opened. (It is run past the page's own policy, which
    forbids every script but the page's.)"""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.evaluate(OPEN)
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": colours}}}
    found = axe.Axe().run(page, options=options).response
    assert len(found["passes"]) > 30
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_in_pictures_can_be_read(show: Callable[..., Any], scheme: str) -> None:
    page = show("medium", color_scheme=scheme)
    page.evaluate(OPEN)
    colours = page.evaluate("[...document.querySelectorAll('#colour option')].filter(o => !o.disabled).map(o => o.value)")
    assert len(colours) > 4
    for colour in colours:
        page.select_option("#colour", colour)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 50
        assert [(round(ratio, 2), text) for ratio, text in found if ratio < 4.5] == [], colour or "kind of layer"


FOCUSED = """() => {
  const e = document.activeElement, look = getComputedStyle(e);
  if (e === document.body) return '';
  const edge = [...e.querySelectorAll('rect')].some(r => parseFloat(getComputedStyle(r).strokeWidth) >= 2);
  const seen = edge || look.boxShadow !== 'none' || look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0;
  const text = e.getAttribute('aria-label') || e.textContent || e.id || e.className;
  return `${e.tagName} ${text.trim().slice(0, 30)}${seen ? '' : ' NOT SEEN'}`;
}"""


@pytest.mark.parametrize("name", ["small", "hostile"])
def test_tab_walks_the_whole_page_and_the_focus_is_seen(show: Callable[..., Any], name: str) -> None:
    page = show(name)
    page.evaluate(OPEN)
    met = []
    for _ in range(400):
        page.keyboard.press("Tab")
        met.append(page.evaluate(FOCUSED))
        if not met[-1]:
            break
    assert met[-1] == "", "the end of the page is reached: nothing holds the keyboard"
    assert [each for each in met if "NOT SEEN" in each] == []
    assert len(met) > 25


def test_the_keyboard_alone_finds_sorts_and_follows(show: Callable[..., Any]) -> None:
    page = show("medium")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')").startswith("#"), "first a way past the head"
    page.locator("#finding-exploding-gradient-1 a.show").focus()
    page.keyboard.press("Enter")
    assert page.locator(".info h3").inner_text() in page.locator("#finding-exploding-gradient-1 .where").inner_text()
    page.locator("#find").focus()
    page.keyboard.type("norm1")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator(".info h3").inner_text().endswith("norm1")
    page.locator("#t-layers thead button", has_text="Parameters").focus()
    page.keyboard.press("Enter")
    assert page.locator("#t-layers thead th[aria-sort=descending]").count() == 1
    page.locator("#theme").focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.documentElement.classList.contains('dark')")


def test_landmarks_headings_and_names(show: Callable[..., Any]) -> None:
    for name in ("small", "weights_only", "nothing"):
        page = show(name)
        page.evaluate(OPEN)
        assert page.locator("main").count() == 1
        assert page.evaluate("document.documentElement.lang") == "en"
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
        assert levels[0] == 1
        assert all(b <= a + 1 for a, b in pairwise(levels)), "no level is left out"
        unnamed = """[...document.querySelectorAll('svg')].filter(
          s => !s.closest('[aria-hidden=true]') && !s.matches('[aria-label], [aria-labelledby]') && !s.querySelector('title'))"""
        assert page.evaluate(f"{unnamed}.length") == 0
