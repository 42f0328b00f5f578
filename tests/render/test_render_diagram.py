"""The diagram: what is folded, what is shown opened, where things are found, and that no name of the user's becomes markup."""

from __future__ import annotations

import subprocess
from xml.etree import ElementTree

import pytest
import sample_reports
from sample_net import Net

from nnreport.facts import Facts
from nnreport.render import layout
from nnreport.render.diagram import Diagram, diagram
from nnreport.render.diagram_fold import Run, find_runs
from nnreport.report import Report

SVG = "{http://www.w3.org/2000/svg}"


def drawn(report: Report) -> Diagram:
    return diagram(report.facts, report.findings, [f"finding-{i}" for i in range(len(report.findings))])


def facts(net: Net, *outputs: int) -> Facts:
    tree, graph = net.finish(*outputs)
    return Facts(tree=tree, graph=graph)


def texts(made: Diagram, level: int = 0) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(made.levels[level].svg).iter(f"{SVG}text")]


# -------------------------------------------------------------------------------------------------------------- folding


def chain(kinds: str) -> tuple[list[str], list[set[int]], list[set[int]]]:
    n = len(kinds)
    return list(kinds), [{i - 1} if i else set() for i in range(n)], [{i + 1} for i in range(n)]


def test_a_run_of_equals_is_found() -> None:
    assert find_runs(*chain("abbbbc")) == [Run(1, 1, 4)]


def test_a_repeated_pattern_is_found_with_its_shortest_period() -> None:
    assert find_runs(*chain("xababababy")) == [Run(1, 2, 4)]


def test_two_equals_are_shown_as_they_are() -> None:
    assert find_runs(*chain("abbc")) == []


def test_what_is_read_from_afar_is_not_folded_away() -> None:
    kinds, reads, read_by = chain("abbbbc")
    reads[5].add(2)
    read_by[2].add(5)
    assert all(run.start > 2 for run in find_runs(kinds, reads, read_by))


def test_a_mask_that_every_block_reads_does_not_hinder() -> None:
    kinds, reads, read_by = chain("mbbbbc")
    for i in range(1, 5):
        reads[i].add(0)
        read_by[0].add(i)
    assert find_runs(kinds, reads, read_by) == [Run(1, 1, 4)]


def test_equal_blocks_are_one_box_with_their_number() -> None:
    made = drawn(sample_reports.medium())
    assert [level.title for level in made.levels] == ["TinyGPT", "Block"]
    assert any("×6" in text for text in texts(made))
    assert made.levels[1].paths == [f"blocks.{i}" for i in range(6)]


def test_a_loop_over_layers_with_functions_between_is_folded_too() -> None:
    net = Net()
    x = net.input([1, 8])
    for i in range(40):
        x = net.op("add", x, net.op("relu", net.linear(f"layer{i}", x, 8)))
    made = diagram(facts(net, x))
    assert len(made.levels[0].items) == 3
    assert made.levels[1].part == "3 steps, 40 times"
    assert made.places["layer17"].level == 1
    assert made.places["layer17"].repetition == 17


def test_a_long_sequence_of_different_layers_stays_bounded() -> None:
    net = Net()
    x = net.input([1, 8])
    for i in range(400):
        x = net.linear(f"l{i}", x, 8 + i)
    made = diagram(facts(net, x))
    assert all(len(level.items) <= 130 for level in made.levels)
    assert made.places["l333"].item >= 0


# --------------------------------------------------------------------------------------------------------------- levels


def test_the_first_picture_of_a_deep_model_is_readable() -> None:
    made = drawn(sample_reports.large())
    assert len(made.levels[0].items) <= 30
    assert sum(len(level.svg) for level in made.levels) < 100_000


def test_small_containers_are_shown_opened() -> None:
    net = Net()
    x = net.input([1, 8])
    with net.inside("body", "model.Body", x):
        x = net.op("relu", net.linear("body.fc", x, 8))
    made = diagram(facts(net, x))
    assert len(made.levels) == 1
    assert "body · Body" in texts(made) or "body" in texts(made)
    assert "fc" in texts(made)


def test_skip_connections_are_edges() -> None:
    net = Net()
    x = net.input([1, 8])
    y = net.linear("fc", x, 8)
    made = diagram(facts(net, net.op("add", x, y)))
    edges = ElementTree.fromstring(made.levels[0].svg).find(f"{SVG}g[@class='es']")
    assert edges is not None
    assert len(list(edges)) == 4  # x→fc, x→add, fc→add, add→output


def test_dull_operations_are_left_out_and_reshapes_joined() -> None:
    net = Net()
    x = net.op("getitem", net.input([2, 8]))
    x = net.op("transpose", net.op("view", x, shape=[2, 4, 2]), shape=[2, 2, 4])
    made = diagram(facts(net, net.linear("fc", net.op("contiguous", x), 4)))
    assert "view · transpose" in texts(made)
    assert not {"getitem", "contiguous"} & set(texts(made))


def test_detach_is_never_left_out() -> None:
    net = Net()
    made = diagram(facts(net, net.linear("fc", net.op("detach", net.input([1, 8])), 4)))
    assert "detach" in texts(made)


def test_shapes_stand_on_the_edges() -> None:
    assert "1×128" in texts(drawn(sample_reports.small()))


def test_a_module_called_twice_is_two_boxes() -> None:
    net = Net()
    x = net.linear("fc", net.input([1, 8]), 8)
    made = diagram(facts(net, net.linear("fc", net.op("relu", x), 8)))
    assert sum("Linear" in text for text in texts(made)) == 2
    assert any("call 2" in text for text in texts(made))


def test_many_outputs_are_one_box() -> None:
    net = Net()
    x = net.input([1, 8])
    made = diagram(facts(net, net.linear("fc", x, 8), *(net.op("relu", x) for _ in range(12))))
    assert "12 more outputs" in texts(made)


# ------------------------------------------------------------------------------------------------------ places and marks


@pytest.mark.parametrize("name", ["small", "medium", "large", "hostile"])
def test_every_module_that_was_called_has_a_place(name: str) -> None:
    report = getattr(sample_reports, name)()
    made = drawn(report)
    for module in report.facts.tree.modules:
        place = made.places[module.path]
        if place.item >= 0:
            names, times, _ = made.levels[place.level].items[place.item]
            each = len(names) // times
            mine = names[place.repetition * each : (place.repetition + 1) * each] if times > 1 and each > 1 else names
            assert module.path in [f"{place.base}.{n}" if place.base else n for n in mine]
        else:
            assert place.level == 0 or module.path.startswith(place.base)


def test_a_finding_is_marked_on_its_node_and_on_every_box_around_it() -> None:
    report = sample_reports.medium()
    report.findings[0].node = None
    report.findings[0].module = "blocks.4.mlp.0"
    report.findings = report.findings[:1]
    made = drawn(report)
    for level in made.levels:
        root = ElementTree.fromstring(level.svg)
        marks = [a for a in root.iter(f"{SVG}a") if a.get("class") == "mk"]
        assert len(marks) == 1
        assert marks[0].get("href") == "#finding-0"
    assert made.places["blocks.4.mlp.0"].base == "blocks.4"


def test_a_failed_forward_shows_where_it_stopped() -> None:
    made = drawn(sample_reports.forward_failed())
    failed = [n for n in ElementTree.fromstring(made.levels[0].svg).iter() if "failed" in (n.get("class") or "")]
    assert [n.get("id") for n in failed] == [made.places["fc1"].anchor]
    assert made.unreached == ["fc2"]
    assert "stroke-dasharray" in made.levels[0].svg


def test_hostile_names_stay_text() -> None:
    made = drawn(sample_reports.hostile())
    root = ElementTree.fromstring(made.levels[0].svg)
    assert {n.tag.removeprefix(SVG) for n in root.iter()} <= {"svg", "g", "a", "path", "rect", "circle", "text", "title"}
    assert any(sample_reports.HOSTILE in (t.text or "") for t in root.iter(f"{SVG}title"))


# -------------------------------------------------------------------------------------------------------------- layout


def test_the_layout_goes_downwards_and_keeps_frames_around_their_boxes() -> None:
    placed = layout.arrange([layout.Box(80, 40), layout.Box(80, 40, 0)], [(0, 1)], [layout.Frame(60)])
    assert placed is not None
    (_, y0), (x1, y1) = placed.boxes
    assert y0 < y1
    x, y, width, _ = placed.frames[0] or (0, 0, 0, 0)
    assert x <= x1 - 40
    assert x1 + 40 <= x + width
    assert y <= y1 - 20 - 16  # room for the heading
    assert len(placed.edges[0]) % 3 == 1


def test_without_graphviz_there_is_a_list_and_a_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "engine", lambda: "")
    monkeypatch.setattr(layout.shutil, "which", lambda name: None)
    made = drawn(sample_reports.medium())
    assert made.levels == []
    assert "pip install pygraphviz" in made.missing
    assert made.tree[0].children[1].children[0].times == 6


def test_a_system_dot_serves_where_there_is_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = layout._pygraphviz
    monkeypatch.setattr(layout, "_pygraphviz", lambda source: None)
    monkeypatch.setattr(layout.shutil, "which", lambda name: "/usr/bin/dot")

    def run(command: list[str], **given: object) -> subprocess.CompletedProcess[str]:
        assert command == ["dot", "-Tjson0"]
        return subprocess.CompletedProcess(command, 0, ours(str(given["input"])), "")

    monkeypatch.setattr(layout.subprocess, "run", run)
    assert drawn(sample_reports.small()).levels


def test_a_layout_says_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    boxes = [layout.Box(20, 20)] * 1200
    assert layout.arrange(boxes, [(i, i + 1) for i in range(1199)]) is not None
    assert capfd.readouterr().err == ""
