"""``report.figures``: the pictures as matplotlib figures, drawn in the style of the moment and kept by nobody."""

from __future__ import annotations

import builtins
import gc
import io
import sys
import warnings
import weakref

import pytest
import sample_reports
from sample_pictures import every_kind, photographs

from nnreport.errors import UsageError

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed (nnreport[plot])")


@pytest.mark.parametrize("name", [name for name in sample_reports.every() if name not in ("large", "healthy", "small")])
def test_every_figure_of_every_report_can_be_drawn(name):
    figures = sample_reports.every()[name]().figures
    assert all(figures[each].axes for each in figures)


def test_hostile_names_can_be_saved():
    figures = sample_reports.hostile().figures
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in scripts that the machine has no font for
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        for each in ("gradient_flow", "gradients", "weights", "filters", "maps 1"):
            figures[each].savefig(io.BytesIO(), format="svg")


def test_what_there_is():
    figures = sample_reports.small().figures
    assert {"loss", "gradient_norm", "gradient_flow", "gradients", "updates", "weights", "time", "memory"} <= set(figures)
    assert "input x" not in figures
    report = sample_reports.small()
    report.facts.pictures = photographs()
    assert {"input x", "output", "filters", "maps 1"} <= set(report.figures)
    assert len(sample_reports.nothing().figures) == 0
    with pytest.raises(KeyError, match="there is no figure 'los'"):
        figures["los"]


def test_the_numbers_are_the_reports():
    report = sample_reports.small()
    axes = report.figures["loss"].axes[0]
    assert list(axes.lines[0].get_ydata()) == report.facts.probe.losses
    report = sample_reports.not_finite()
    drawn = report.figures["loss"].axes[0].lines[0].get_ydata()
    assert [value == value for value in drawn] == [True, True, True, False, False]


def test_the_style_of_the_moment_counts():
    figures = sample_reports.small().figures
    with matplotlib.rc_context({"axes.prop_cycle": matplotlib.cycler(color=["#123456"]), "figure.figsize": (3, 2)}):
        figure = figures["loss"]
    assert figure.axes[0].lines[0].get_color() == "#123456"
    assert tuple(figure.get_size_inches()) == (3, 2)
    assert figures["loss"].axes[0].lines[0].get_color() != "#123456"


def test_nothing_is_kept_and_pyplot_is_not_imported():
    imported = "matplotlib.pyplot" in sys.modules
    figure = sample_reports.small().figures["loss"]
    seen = weakref.ref(figure)
    del figure
    gc.collect()
    assert seen() is None
    assert ("matplotlib.pyplot" in sys.modules) == imported


def test_every_kind_of_picture_is_drawn():
    report = sample_reports.small()
    report.facts.pictures = every_kind()
    figures = report.figures
    for role in ("input", "output", "target", "maps"):
        for name in figures:
            if name.startswith(role):
                figures[name].savefig(io.BytesIO(), format="png", dpi=20)
    assert "(noise)" in report.figures["input row"].get_suptitle()
    assert "input none" not in report.figures


def test_dollars_in_names_are_no_mathematics():
    report = sample_reports.small()
    report.facts.pictures = photographs("$x^2$ $\\frac{")
    report.facts.weights.stats[0].name = "$\\bad{$"
    for name in ("weights", "filters", "maps 1"):
        report.figures[name].savefig(io.BytesIO(), format="svg")


def test_without_matplotlib_one_line_says_how(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    report = sample_reports.small()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r'pip install "nnreport\[plot\]"'):
        report.figures  # noqa: B018
