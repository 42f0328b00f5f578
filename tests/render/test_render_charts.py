"""Charts: well-formed SVG with literal attributes, gaps and marks where values are not finite, the same numbers in the table."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import sample_reports

from nnreport.facts import Histogram
from nnreport.render import charts, format
from nnreport.render.charts_base import log_ticks, tick_label, ticks

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def numbers(path: str) -> list[float]:
    return [float(part) for part in re.findall(r"-?\d+\.?\d*", path)]


def curve(chart: charts.Chart, style: int = 0) -> str:
    return next(p.get("d") or "" for p in parse(chart.svg).iter(f"{SVG}path") if p.get("class") == f"s{style}")


@pytest.fixture
def all_charts() -> dict[str, charts.Chart]:
    report = sample_reports.not_finite()
    probe, weights = report.facts.probe, report.facts.weights
    assert probe
    assert weights
    rows, columns = [s.name for s in probe.parameters], [str(step) for step in probe.observed]
    histogram = weights.stats[0].histogram
    assert histogram
    return {
        "line": charts.line("<Loss & more>", [charts.Line("a<b", probe.losses)], range(len(probe.losses))),
        "bars": charts.bars("Time", [charts.Bar("<x>", [1.0, 2.0], "3 s")], ["forward", "backward"]),
        "heat": charts.heatmap("Heat", rows, columns, [s.gradient for s in probe.parameters], log=True),
        "strips": charts.strips("Weights", weights.stats),
        "histogram": charts.histogram("One", histogram),
    }


def test_every_chart_is_well_formed_and_names_itself(all_charts: dict[str, charts.Chart]) -> None:
    for chart in all_charts.values():
        root = parse(chart.svg)
        assert root.get("role") == "img"
        assert root.get("aria-label") == chart.title
        assert "var(" not in chart.svg
        assert "currentColor" not in chart.svg
        assert "style=" not in chart.svg


def test_every_mark_carries_its_light_colour(all_charts: dict[str, charts.Chart]) -> None:
    for name, chart in all_charts.items():
        for mark in parse(chart.svg).iter():
            if mark.tag in (f"{SVG}rect", f"{SVG}circle", f"{SVG}text"):
                assert mark.get("fill"), name
            if mark.tag == f"{SVG}path":
                assert mark.get("fill") or mark.get("stroke"), name


def test_the_table_holds_what_the_picture_shows(all_charts: dict[str, charts.Chart]) -> None:
    assert all_charts["line"].rows[0] == ["0", "2.300"]
    assert all_charts["line"].rows[3] == ["3", "∞"]
    assert all_charts["heat"].rows[0][:3] == ["fc1.weight", "0.00100", "1,000,000"]
    assert all(len(row) == len(chart.head) for chart in all_charts.values() for row in chart.rows)


def test_a_line_breaks_where_it_is_not_finite_and_says_so() -> None:
    chart = charts.line("Loss", [charts.Line("loss", [1.0, 2.0, "nan", 4.0])], range(4))
    assert curve(chart).count("M") == 2
    assert "NaN from here" in chart.svg


def test_a_line_goes_where_its_values_say() -> None:
    chart = charts.line("Up", [charts.Line("up", [0.0, 1.0, 2.0])], range(3))
    x0, y0, x1, y1, x2, y2 = numbers(curve(chart))
    assert x0 < x1 < x2
    assert y0 > y1 > y2
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)


def test_a_log_axis_gives_equal_steps_to_equal_factors() -> None:
    _, y0, _, y1, _, y2 = numbers(curve(charts.line("Up", [charts.Line("up", [1.0, 10.0, 100.0])], range(3), log=True)))
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)


def test_nothing_finite_is_said_rather_than_drawn() -> None:
    assert "nothing finite" in charts.line("Loss", [charts.Line("loss", ["nan", "nan"])], range(2)).svg


def test_non_finite_cells_have_a_colour_of_their_own_and_missing_ones_none() -> None:
    chart = charts.heatmap("H", ["a"], ["0", "1", "2"], [["nan", None, 1.0]])
    cells = [p for p in parse(chart.svg).iter(f"{SVG}path") if "h1" in (p.get("d") or "")]
    assert {p.get("stroke") for p in cells} >= {"#d4007f"}
    assert len(cells) == 2
    assert "NaN or Inf" in chart.svg


def test_equal_neighbours_are_one_stroke_so_that_a_deep_model_stays_small() -> None:
    rows = [f"layer{i}" for i in range(1000)]
    chart = charts.heatmap("H", rows, [str(i) for i in range(10)], [[0.5] * 10 for _ in rows])
    assert len(chart.svg) < 40_000
    assert len(chart.rows) <= 240
    assert "Each row stands for 5 layers" in chart.note


def test_a_merged_row_shows_the_one_that_is_not_finite() -> None:
    values: list[list[float | str]] = [[1.0] for _ in range(1000)]
    values[777] = ["nan"]
    chart = charts.heatmap("H", [str(i) for i in range(1000)], ["0"], values)  # type: ignore[arg-type]
    assert sum(row[1] == "NaN" for row in chart.rows) == 1


def test_bars_are_as_long_as_their_share() -> None:
    chart = charts.bars("B", [charts.Bar("a", [1.0], "1"), charts.Bar("b", [4.0], "4")], ["x"])
    a, b = (float(r.get("width") or 0) for r in parse(chart.svg).iter(f"{SVG}rect") if r.get("class") == "f0")
    assert b == pytest.approx(4 * a, rel=0.01)


def test_a_bar_chart_draws_its_limit_and_tables_all() -> None:
    chart = charts.bars("B", [charts.Bar(str(i), [1.0], "1") for i in range(30)], ["x"], limit=10)
    assert chart.svg.count('class="f0"') == 10
    assert len(chart.rows) == 30


def test_small_pictures_are_empty_where_there_is_nothing() -> None:
    assert charts.mini_histogram(None) == ""
    assert charts.sparkline(["nan", "nan"]) == ""
    assert charts.mini_histogram(Histogram(low=0, high=1, counts=[0, 0])) == ""


def test_a_lone_outlier_does_not_vanish_from_a_small_histogram() -> None:
    path = charts.mini_histogram(Histogram(low=0, high=1, counts=[10_000, 0, 0, 1]))
    assert re.search(r"V17h24V18", path), path


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3e-5, 2e-5), (0, 1e9), (0.999, 1.001)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert 3 <= len(marks) <= 12
    assert all(low - 1e-9 <= mark <= high * (1 + 1e-9) for mark in marks)


@pytest.mark.parametrize(("low", "high"), [(1e-12, 1e3), (0.2, 0.9), (2, 3), (1e-3, 1e-2)])
def test_log_ticks_are_inside(low: float, high: float) -> None:
    marks = log_ticks(low, high)
    assert 1 <= len(marks) <= 12
    assert all(low * 0.999 <= mark <= high * 1.001 for mark in marks)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (format.size(398 * 1024), "398 KiB"),
        (format.size(1024**2 - 1), "1 MiB"),
        (format.flops(203_264), "203 kFLOP"),
        (format.seconds(0.00123), "1.23 ms"),
        (format.seconds(184), "3 min 4 s"),
        (format.percent(1e-5), "< 0.1 %"),
        (format.percent(0.93), "93.0 %"),
        (format.number("nan"), "NaN"),
        (format.number(-3.0), "−3"),
        (format.number(None), "—"),
        (format.short(999_600), "1 M"),
        (format.shape([]), "scalar"),
        (format.plural(1, "error"), "1 error"),
        (format.elide("a" * 10 + "z" * 10, 9), "aaaa…zzzz"),
    ],
)
def test_numbers_in_words(written: str, wanted: str) -> None:
    assert written.replace(format.SPACE, " ") == wanted


def test_a_heat_map_of_nothing_finite() -> None:
    chart = charts.heatmap("updates", ["w"], ["0", "1"], [["nan", None]], log=True)
    assert "<svg" in chart.svg


def test_zero_has_no_place_on_a_log_scale_and_is_told_apart() -> None:
    made = charts.heatmap("Gradient", ["a", "b"], ["0"], [[0.0], [1e-3]], log=True)
    assert ">zero</text>" in made.svg
    assert len({path.get("stroke") for path in parse(made.svg).iter(f"{SVG}path")}) == 2
    assert ">zero</text>" not in charts.heatmap("Zeros", ["a"], ["0"], [[0.0]], low=0.0, high=1.0).svg


def test_the_gradient_flow_names_what_is_zero() -> None:
    from nnreport.render.page_training import depth_chart

    probe = sample_reports.small().facts.probe
    assert probe
    probe.parameters[0].gradient = [0.0] * len(probe.parameters[0].gradient)
    made = depth_chart(probe)
    assert made
    assert made.note == f"Zero, which a log scale cannot show: {probe.parameters[0].name}."


@pytest.mark.parametrize(("low", "high"), [(0.15, 0.3), (0.11, 0.19), (6.0, 9.0)])
def test_a_log_axis_has_two_ticks_at_least(low: float, high: float) -> None:
    assert len(log_ticks(low, high)) >= 2


def test_ticks_of_a_log_axis_are_written_alike() -> None:
    assert [tick_label(value, log=True) for value in (1e-8, 5e-9, 2e-12)] == ["1e-8", "5e-9", "2e-12"]


def test_a_short_name_of_a_layer_still_tells_its_number() -> None:
    names = [f"bert.encoder.layer.{i}.attention.self.query.weight" for i in range(12)]
    short = [format.elide(name, 34) for name in names]
    assert len(set(short)) == 12
    assert short[7] == "b.e.l.7.attention.self.query.weight"[:34] or short[7] == "b.e.l.7.a.self.query.weight"
    assert max(map(len, short)) <= 34
    assert format.elide("/home/someone/a/very/long/path/to/a/file.py", 20).count("…") == 1


def test_shares_among_the_evidence_are_per_cent_like_the_message() -> None:
    evidence = {"dead_units": 1.0, "limit": 0.6, "units": 256, "layers": 1}
    assert dict(format.measured(evidence)) == {"dead units": "100\xa0%", "limit": "60\xa0%", "units": "256", "layers": "1"}
    assert dict(format.measured({"spread": 1e-5, "limit": 0.001}))["limit"] == "0.001000"
