"""The page in a real browser: what its script adds works, by mouse and by keyboard, and nothing leaves the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sample_reports


def crumbs(page: Any) -> str:
    return " ".join(page.locator(".crumbs").inner_text().split())


def chosen(page: Any) -> str:
    return page.locator(".info h3").inner_text()


@pytest.mark.parametrize("name", list(sample_reports.every()))
def test_every_page_opens_without_a_complaint(show: Callable[..., Any], name: str) -> None:
    page = show(name)
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.querySelectorAll('img').length") == 0


def test_search_finds_a_layer_and_shows_it(show: Callable[..., Any]) -> None:
    page = show("medium")
    page.fill("#find", "4 query")
    assert page.locator("#found li").first.inner_text().startswith("blocks.4.attention.query")
    page.press("#find", "Enter")
    assert chosen(page) == "blocks.4.attention.query"
    assert "blocks.4" in crumbs(page)
    assert page.locator(".level.on .n.hit").count() == 1


def test_drill_down_and_up_by_mouse(show: Callable[..., Any]) -> None:
    page = show("medium")
    page.locator(".level.on .n.k-c").first.dblclick()
    assert crumbs(page) == "TinyGPT › blocks.0"
    page.locator(".info select").select_option(label="blocks.3")
    assert crumbs(page) == "TinyGPT › blocks.3"
    page.locator(".level.on .n", has_text="norm1").first.click()
    assert chosen(page) == "blocks.3.norm1"
    page.locator(".crumbs button").click()
    assert crumbs(page) == "TinyGPT"


def test_drill_down_and_up_by_keyboard_alone(show: Callable[..., Any]) -> None:
    page = show("medium")
    page.locator(".level.on .n.k-c").first.focus()
    page.keyboard.press("Enter")
    assert chosen(page).startswith("blocks.0 …")
    page.keyboard.press("Enter")
    assert crumbs(page) == "TinyGPT › blocks.0"
    page.keyboard.press("Backspace")
    assert crumbs(page) == "TinyGPT"
    before = page.locator(".level.on svg").get_attribute("viewBox")
    page.locator(".level.on .n").first.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowDown")
    assert page.locator(".level.on svg").get_attribute("viewBox") != before


def test_one_of_several_equal_blocks_is_chosen_from_the_list(show: Callable[..., Any]) -> None:
    page = show("medium")
    page.locator(".level.on .n.k-c").first.click()
    page.locator(".info select").select_option(label="blocks.5")
    page.locator(".info button", has_text="Open").click()
    assert crumbs(page) == "TinyGPT › blocks.5"


def test_a_finding_leads_to_its_node_and_its_row(show: Callable[..., Any]) -> None:
    page = show("medium")
    card = page.locator("#finding-exploding-gradient-1")
    module = card.locator(".where a.p").inner_text()
    card.locator("a.show").click()
    assert chosen(page) == module
    assert page.locator(".info a", has_text="exploding-gradient").count() == 1
    card.locator(".where a.p").click()
    row = page.locator("#t-layers tr.hit")
    assert row.locator("th").inner_text() == module
    assert row.evaluate("r => { const b = r.getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight }")


def test_a_node_leads_to_its_row_and_a_row_to_its_node(show: Callable[..., Any]) -> None:
    page = show("small")
    page.locator(".level.on .n", has_text="fc2").click()
    page.locator(".info a", has_text="row").click()
    assert page.locator("#t-layers tr.hit th").inner_text() == "fc2"
    page.locator("#t-layers tbody th", has_text="fc1").click()
    assert chosen(page) == "fc1"


def test_an_address_with_a_finding_a_row_or_a_node_opens_there(show: Callable[..., Any]) -> None:
    assert chosen(show("medium", "#n1-1")) == "blocks.0.attention.query"
    assert show("medium", "#r7").locator("#t-layers tr.hit").count() == 1
    page = show("small", "#finding-dead-relu-1")
    assert page.evaluate("document.querySelector(':target').id") == "finding-dead-relu-1"
    assert page.locator("#finding-dead-relu-1").evaluate(
        "c => { const y = c.getBoundingClientRect().top; return y >= 0 && y < 200 }"
    )
    assert page.locator(".stage .hit").count() == 1, "the diagram shows the finding's node"
    assert page.locator(".info a", has_text="dead-relu").count() == 1


def test_a_finding_leads_to_its_chart(show: Callable[..., Any]) -> None:
    page = show("medium")
    page.locator("#finding-exploding-gradient-1 .where a", has_text="see the chart").click()
    assert page.evaluate("document.querySelector(':target').id") == "c-depth"
    page = show("small", "#map-spread")
    assert page.locator("#map-spread").is_checked()


def test_every_chart_that_a_finding_names_is_on_the_page(files: dict[str, Path]) -> None:
    for file in files.values():
        text = file.read_text("utf-8")
        ids = set(re.findall(r' id="([^"]+)"', text))
        assert set(re.findall(r'href="#((?:c|map)-[^"]+)"', text)) <= ids


def test_a_phone_shows_charts_at_a_size_that_can_be_read(show: Callable[..., Any]) -> None:
    page = show("medium", width=390)
    page.evaluate("for (const s of document.querySelectorAll('section')) s.style.contentVisibility = 'visible'")
    sizes = page.evaluate("""() => [...document.querySelectorAll('figure.chart svg')].filter(s => s.getClientRects().length)
      .map(s => 11 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)""")
    assert len(sizes) > 6
    assert min(sizes) > 6.5
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("[...document.querySelectorAll('.five dd')].every(d => d.scrollWidth <= d.clientWidth)")
    title, switch = page.locator("#c-loss figcaption strong").first, page.locator("label[for=loss-log]")
    assert title.bounding_box()["y"] >= switch.bounding_box()["y"] + switch.bounding_box()["height"]


def test_the_table_sorts_filters_and_hides_columns(show: Callable[..., Any]) -> None:
    page = show("medium")
    head = page.locator("#t-layers thead button", has_text="Parameters")
    head.click()
    assert page.locator("#t-layers tbody th").first.inner_text() in ("embed", "head")
    assert head.locator("..").get_attribute("aria-sort") == "descending"
    head.click()
    head.click()
    assert page.locator("#t-layers tbody th").first.inner_text() == "(the model)"
    page.fill(".tools[data-for=t-layers] .filter", "norm1")
    assert page.locator("#t-layers tbody tr").count() == 6
    assert page.locator(".shown").inner_text() == "6 of 77"
    page.fill(".tools[data-for=t-layers] .filter", "")
    page.locator(".cols-menu summary").click()
    page.locator(".cols-menu label", has_text="Class").click()
    assert not page.locator("#t-layers thead th").nth(1).is_visible()


def test_numbers_of_weights_sort_as_numbers(show: Callable[..., Any]) -> None:
    page = show("medium")
    page.locator("#t-weights thead button", has_text="Values").click()
    values = [int(text.replace(",", "")) for text in page.locator("#t-weights tbody td:nth-child(3)").all_inner_texts()]
    assert values == sorted(values, reverse=True)


def test_a_long_table_keeps_few_rows_in_the_document_and_shows_all(show: Callable[..., Any]) -> None:
    page = show("large")
    assert page.locator("#t-layers tbody tr").count() < 150
    box = page.locator("#t-layers").locator("..")
    box.evaluate("b => b.scrollTop = b.scrollHeight")
    page.wait_for_function("[...document.querySelectorAll('#t-layers tbody th')].some(t => t.textContent === 'fc')")
    page.fill(".tools[data-for=t-layers] .filter", "stage3.11.")
    assert page.locator("#t-layers tbody tr[id]").count() == 5
    page.locator("#finding-exploding-gradient-1 .where a.p").click()
    assert page.locator("#t-layers tr.hit").count() == 1


def test_colours_follow_a_number_and_have_a_legend(show: Callable[..., Any]) -> None:
    page = show("small")
    page.select_option("#colour", "parameters")
    assert "q6" in (page.locator(".level.on .n", has_text="fc1").get_attribute("class") or "")
    assert "q0" in (page.locator(".level.on .n", has_text="fc2").get_attribute("class") or "")
    assert "parameters" in page.locator("#legend").inner_text()
    page.select_option("#colour", "")
    assert "layer with weights" in page.locator("#legend").inner_text()


def test_a_fold_is_marked_for_each_of_its_equals(show: Callable[..., Any]) -> None:
    page = show("medium")  # dead-relu names layers of the first blocks alone
    page.locator(".level.on .n.k-c").first.dblclick()
    assert page.locator(".level.on .mk:visible").count() > 3
    page.locator(".info select").select_option(label="blocks.5")
    assert page.locator(".level.on .mk:visible").count() == 0


def test_values_stand_under_the_pointer(show: Callable[..., Any]) -> None:
    page = show("small")
    page.locator("#training").scroll_into_view_if_needed()
    line = page.locator("#training figure[data-kind=line] .pic").first
    line.hover(position={"x": 200, "y": 100})
    assert "loss" in line.locator("output").inner_text()
    page.locator("label[for=loss-log]").click()
    other = page.locator("#training #c-loss .tab").nth(1).locator(".pic")
    other.hover(position={"x": 200, "y": 100})
    assert "loss" in other.locator("output").inner_text()
    strips = page.locator("#c-weights .pic")
    strips.scroll_into_view_if_needed()
    strips.hover(position={"x": 300, "y": 12})
    assert strips.locator("output").inner_text().startswith("fc1.weight")
    heat = page.locator("#training figure[data-kind=heat] .pic").first
    heat.scroll_into_view_if_needed()
    heat.hover(position={"x": 150, "y": 40})
    assert heat.locator("output").inner_text().startswith("fc1.")


def test_light_and_dark(show: Callable[..., Any]) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(18, 18, 18)"
    page = show("small", color_scheme="dark")
    assert page.evaluate(background) == dark
    page.click("#theme")
    assert page.evaluate(background) == light
    page = show("small")
    assert page.evaluate(background) == light
    page.click("#theme")
    assert page.evaluate(background) == dark
    assert page.evaluate("getComputedStyle(document.querySelector('.chart .ct')).fill") == "rgb(176, 176, 176)"


def test_it_reads_without_any_script(show: Callable[..., Any]) -> None:
    page = show("medium", java_script_enabled=False)
    assert page.locator("#level-1").is_visible()
    assert page.locator("#level-1 svg").is_visible()
    assert page.locator("#t-layers tbody tr").count() == 77
    assert not page.locator("#find").is_visible()
    page.locator("label[for=loss-log]").click()
    assert page.locator("#training .tab").nth(1).is_visible()


def test_paper_shows_what_is_closed(show: Callable[..., Any]) -> None:
    page = show("large")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#t-layers tbody tr[id]").count() == 508
    assert page.evaluate("document.querySelector('#checks').open")
    page.emulate_media(media="print")
    assert page.locator("#level-1 svg").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("document.querySelector('#checks').open")


def test_the_page_fits_a_telephone(show: Callable[..., Any]) -> None:
    for name in ("small", "medium", "hostile"):
        page = show(name, width=390)
        page.evaluate("for (const s of document.querySelectorAll('section')) s.style.contentVisibility = 'visible'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_it_opens_in_under_a_second(show: Callable[..., Any]) -> None:
    times = []
    for _ in range(3):
        page = show("large")
        page.wait_for_load_state("load")
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    assert min(times) < 1000, times


def test_code_is_copied_without_what_is_to_be_removed(show: Callable[..., Any]) -> None:
    page = show("small", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#finding-softmax-with-cross-entropy-1 .copy").click()
    page.wait_for_function("document.querySelector('.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").strip() == "return self.fc2(x)"
