"""What goes in and what comes out, as pictures: the PNG are what the values are, words say what is seen, names stay text."""

from __future__ import annotations

import base64
import io
import re

import pytest
import sample_reports
from sample_pictures import every_kind, photographs, ramp, raster, texts

from nnreport.facts import Facts, LossInfo, Picture, Pictures, Probe, Raster, TensorInfo
from nnreport.render import html
from nnreport.render.charts_heat import BROKEN as BROKEN_COLOUR
from nnreport.render.paper_pictures import pictures as on_paper
from nnreport.render.pictures import panels
from nnreport.render.pictures_png import SCALES, STEPS, Sheet, levels, rgb
from nnreport.store import dump, parse

image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: the PNG files are not read")


def opened(data: bytes):
    picture = image.open(io.BytesIO(data))
    picture.load()
    return picture.convert("RGBA")


def all_panels(pictures: Pictures, loss: str = ""):
    facts = Facts(pictures=pictures)
    if loss:
        facts.probe = Probe(loss=LossInfo(kind=loss))
    made = panels(facts)
    assert made is not None
    return [*made.inputs, *made.outputs, *made.layers]


# ------------------------------------------------------------------------------------------------------------------ PNG


def test_colours_come_back_as_they_were():
    sheet = Sheet(5, 3, None)
    sheet.tile(0, 0, 2, [bytes([0, 254, 127, 10]), bytes([254, 0, 127, 20]), bytes([0, 0, 127, 255])])
    seen = opened(sheet.png())
    assert seen.size == (5, 3)
    assert seen.getpixel((0, 0)) == (0, 255, 0, 255)
    assert seen.getpixel((1, 0)) == (255, 0, 0, 255)
    assert seen.getpixel((0, 1)) == (128, 128, 128, 255)
    assert seen.getpixel((1, 1)) == (*rgb(BROKEN_COLOUR), 255)  # one channel is NaN
    assert seen.getpixel((4, 2))[3] == 0  # free


@pytest.mark.parametrize("width", [1, 2, 7])
def test_a_scale_has_its_ends_and_a_colour_for_nan(width):
    sheet = Sheet(width + 1, 3, "heat")
    sheet.tile(0, 0, width, [bytes([0] * width + [254] * width + [255] * width)])
    seen = opened(sheet.png())
    assert seen.getpixel((width - 1, 0))[:3] == SCALES["heat"][0]
    assert seen.getpixel((width - 1, 1))[:3] == SCALES["heat"][STEPS - 1]
    assert seen.getpixel((width - 1, 2))[:3] == rgb(BROKEN_COLOUR)
    assert seen.getpixel((width, 1))[3] == 0


def test_a_photograph_in_grey_keeps_all_its_greys():
    sheet = Sheet(20, 12, "grey")
    sheet.tile(0, 0, 20, [bytes(range(240))])
    seen = opened(sheet.png())
    assert [seen.getpixel((i % 20, i // 20))[0] for i in range(240)] == list(range(240))


@pytest.mark.parametrize(
    "damaged",
    [
        Raster(shape=[2, 2], low=[0], high=[1], data="no base64 !"),
        Raster(shape=[2, 2], low=[0], high=[1], data=base64.b64encode(b"no zlib").decode()),
        Raster(shape=[2, 3], low=[0], high=[1], data=raster([2, 2], ramp).data),
        Raster(shape=[1, 1], low=[0], high=[1], data=raster([9, 9], ramp).data),
        Raster(shape=[10**6, 10**6], low=[0], high=[1], data=raster([2, 2], ramp).data),
        Raster(shape=[0, 4], low=[0], high=[1], data=""),
        Raster(shape=[2, 2], low=[], high=[], data=raster([2, 2], ramp).data),
    ],
)
def test_a_damaged_raster_is_left_out_and_the_rest_is_drawn(damaged):
    assert levels(damaged) is None
    known = every_kind()
    for each in known.inputs + known.targets:
        each.raster, each.second = damaged if each.raster else None, None
    known.maps[0].raster = damaged
    known.filters = photographs().filters
    known.filters.raster = damaged
    drawn = [panel.title for panel in all_panels(known) if panel.chart]
    assert drawn == ["Input row", "Input row", "Output values", "Output scores"]


# ---------------------------------------------------------------------------------------------------------------- panels


def test_every_kind_has_a_picture_and_words():
    for panel in all_panels(every_kind()) + all_panels(photographs()) + all_panels(texts()):
        if "it is empty" in " ".join(panel.remarks):
            assert panel.chart is None
            continue
        assert panel.chart is not None, panel.title
        assert "aria-label=" in panel.chart.svg
        assert panel.about.split(",")[0] in panel.alt
        assert len(panel.alt) > len(panel.title) + 20
        assert float(re.search(r'viewBox="0 0 ([\d.]+) ', panel.chart.svg)[1]) <= 1080


def test_the_channels_stand_beside_the_composite():
    svg = all_panels(photographs())[0].chart.svg
    assert svg.count("<image") == 2
    for text in ("channel 0, as red", "channel 1, as green", "channel 2, as blue", "sample 0, label 0", "sample 1, label 3"):
        assert f">{text}</text>" in svg
    noise = photographs()
    noise.inputs[0].noise = True
    panel = all_panels(noise)[0]
    assert "channel 0" not in panel.chart.svg
    assert panel.remarks[0].startswith("Noise")
    assert "Noise" in panel.alt


def test_dead_maps_and_zero_filters_are_told_in_words():
    found = all_panels(photographs())
    filters, maps = found[-2:]
    assert ">5 zero</text>" in filters.chart.svg
    assert "1\u00a0filter is zero everywhere: 5." in filters.alt
    assert ">3 dead</text>" in maps.chart.svg
    assert ">2 dead</text>" not in maps.chart.svg
    assert "2 of 16 channels are zero everywhere for the 8 samples: 3, 12." in maps.alt
    assert maps.warnings[0] in maps.alt


def test_a_run_at_the_end_of_a_sequence_is_told():
    svg = all_panels(texts())[0].chart.svg
    assert "× 19 …" in svg
    assert svg.count(">0</text>") == 2  # the padding's first, and the second sample's own


def test_scores_follow_the_loss():
    classes = all_panels(photographs(), "cross_entropy")[1]
    assert "sample 1, target 3" in classes.chart.svg
    assert "softmax" in classes.chart.note
    numbers = all_panels(photographs(), "mse")[1]
    assert ">class" not in numbers.chart.svg
    assert "column 9" in numbers.chart.svg


def test_values_that_are_not_finite_are_written():
    values = next(panel for panel in all_panels(every_kind()) if panel.title == "Output values")
    assert ["sample 2", "NaN", "0.250"] in values.chart.rows


# ------------------------------------------------------------------------------------------------------------- the page


def test_no_pictures_no_section():
    text = html.render(sample_reports.small())
    assert "#pictures" not in text
    assert 'id="pictures"' not in text


def test_the_section_is_small_and_allowed_by_the_policy():
    text = html.render(sample_reports.large())
    section = text[text.index('<section id="pictures"') :]
    section = section[: section.index("</section>")]
    assert len(section) < 40_000
    assert 'href="#pictures"' in text
    assert "img-src data:" in text
    sources = re.findall(r'href="(data:[^,]+),', section)
    assert set(sources) == {"data:image/png;base64"}
    assert len(sources) == 4
    assert " style=" not in section  # the policy forbids it


def test_hostile_names_stay_text():
    report = sample_reports.small()
    report.facts.pictures = photographs(sample_reports.HOSTILE)
    text = html.render(report)
    assert "<img" not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 6


def test_the_same_report_gives_the_same_bytes_after_json():
    report = sample_reports.small()
    report.facts.pictures = every_kind()
    again = parse(dump(report))
    drawn, before = (
        html.render(each).partition('<section id="pictures"')[2].partition("</section>")[0] for each in (again, report)
    )
    assert drawn == before != ""


def test_paper_has_the_same_pictures():
    found = on_paper(Facts(pictures=photographs()))
    assert found is not None
    assert [each.title for each in found["inputs"]] == ["Input x", "Output"]
    for each in found["inputs"] + found["layers"]:
        assert each.source.startswith("data:image/svg+xml;base64,")
        assert 0 < each.width <= 306
        assert each.alt
    assert on_paper(Facts()) is None


def test_an_unknown_raster_shape_is_no_fault():
    odd = Picture(name="x", kind="image", tensor=TensorInfo(shape=[2], dtype="float32"), raster=raster([4], ramp))
    panel = all_panels(Pictures(inputs=[odd]))[0]
    assert panel.chart is None
    assert panel.remarks
