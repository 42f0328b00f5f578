"""Everything that the page shows, as plain values for its template."""

from __future__ import annotations

from typing import Any

import msgspec

from nnreport.render import diff_page, format, page_findings, page_method, page_profile, page_training, watched
from nnreport.render.charts import Chart, strips
from nnreport.render.diagram import Diagram, Place, diagram
from nnreport.render.diagram_draw import KINDS
from nnreport.render.page_layers import Layer, WeightRow, layers, rows, weights
from nnreport.render.pictures import panels
from nnreport.render.view import checks_run, key_numbers, verdict
from nnreport.report import Report

WORST = 3
"""Findings named in the header."""
STRIPS = 300
"""Parameters drawn in the overview of the weights."""


def page(report: Report) -> dict[str, Any]:
    """The values of ``report.html.j2``."""
    facts = report.facts
    report = msgspec.structs.replace(report, findings=page_findings.located(report.findings, facts.graph))
    anchors = page_findings.anchors(report.findings)
    drawn = diagram(facts, report.findings, anchors)
    all_layers = layers(facts)
    index = {layer.module.path: i for i, layer in enumerate(all_layers)}
    shown: dict[str, Any] = {"training": training(report), "profile": profile(report)}
    worst = report.worst
    state = worst or ("broken" if report.failed_stages or not checks_run(report) else "ok")
    parameters, buffers = weights(facts)
    shown["strips"] = distributions(parameters)
    cards = page_findings.cards(report, drawn, index, charts_of(**shown))
    name = report.model.name or facts.target.name or report.model.target or "model"
    return {
        "name": name,
        "title": report.title or name,
        "by": [part for part in (report.author, report.course) if part],
        "report": report,
        "target": facts.target,
        "verdict": verdict(report),
        "state": state,
        "icon": page_findings.ICONS.get(state, "!"),
        "numbers": key_numbers(report),
        "cards": cards,
        "worst": cards[:WORST],
        "changes": diff_page.section(report.comparison, anchors) if report.comparison else None,
        "banner": page_method.banner(report),
        "failures": facts.failures,
        "checks": page_findings.checks(report),
        "ran": checks_run(report),
        "diagram": drawn,
        "kinds": KINDS,
        "pictures": panels(facts),
        "rows": rows(facts, all_layers),
        "parameters": parameters,
        "buffers": buffers,
        **shown,
        "methods": page_method.methods(facts),
        "notes": facts.notes,
        "environment": page_method.environment(report),
        "stages": page_method.stages(report),
        "data": script_data(report, drawn, all_layers, index, anchors),
        "why_no": {stage.name: stage.error for stage in report.stages if stage.state != "ok"},
    }


def charts_of(training: dict[str, Any] | None, profile: dict[str, Any] | None, strips: Chart | None) -> set[str]:
    """Anchors of the charts on the page, as the templates give them."""
    made = training or {}
    found = {f"c-{name}" for name in ("loss", "rates", "dead", "depth") if made.get(name)}
    found |= {f"map-{each['key']}" for each in made.get("maps", ())}
    found |= {"c-loss"} if made.get("run") and made["run"]["loss"][0] else set()
    found |= {"c-weights"} if strips else set()
    return found | ({"c-modules"} if profile and profile["modules"] else set())


def distributions(parameters: list[WeightRow]) -> Chart | None:
    """All parameters at one glance, the largest ones if they are very many; those that hold one value throughout (the weights and
    biases of a fresh norm) are told in words, as their ones and zeros would press all others into a line."""
    some = [row.stats for row in parameters if row.stats.count]
    drawn = [stats for stats in some if stats.minimum != stats.maximum] or some
    if not some:
        return None
    said = []
    if len(drawn) > STRIPS:
        said.append(f"The {STRIPS} largest of {len(drawn):,} are drawn.")
        least = sorted((stats.count for stats in drawn), reverse=True)[STRIPS - 1]
        drawn = [stats for stats in drawn if stats.count >= least][:STRIPS]
    constants = [stats for stats in some if stats.minimum == stats.maximum and drawn is not some]
    if constants:
        values = dict.fromkeys(format.number(stats.minimum) for stats in constants)
        throughout = f" ({' or '.join(values)})" if len(values) < 4 else ""
        said.append(f"{len(constants):,} more {'holds' if len(constants) == 1 else 'hold'} one value throughout{throughout}.")
    chart = strips("Distribution of each parameter", drawn, width=page_training.WHOLE)
    return chart._replace(note=" ".join([*said, "“One by one” has all."])) if said else chart


def training(report: Report) -> dict[str, Any] | None:
    """The charts of the probe, or of the watched run; None where there was none."""
    facts = report.facts
    probe = facts.probe
    if facts.run is None and (probe is None or not (probe.losses or probe.parameters or probe.activations)):
        return None
    shown: dict[str, Any] = {"probe": probe, "run": run(report), "depth": None, "maps": []}
    if probe is not None:
        shown |= {"depth": page_training.depth_chart(probe), "maps": page_training.heat_maps(probe)}
    if probe is not None and facts.run is None:
        shown |= {
            "loss": page_training.loss_charts(facts),
            "loss_words": page_training.loss_words(probe.loss) if probe.loss else "",
            "wide": page_training.wide(probe.losses),
            "rates": page_training.rate_chart(facts),
            "norm": page_training.norm_chart(probe),
            "dead": page_training.dead_chart(probe),
            "none_dead": page_training.none_dead(probe),
        }
    return shown


def run(report: Report) -> dict[str, Any] | None:
    """The watched script; None where there was none."""
    seen = report.facts.run
    if seen is None:
        return None
    half = page_training.HALF
    return {
        "words": watched.words(report.facts),
        "numbers": watched.numbers(seen),
        "loss": [watched.loss_chart(report.facts, log, half) for log in (False, True)],
        "wide": watched.wide(seen),
        "charts": watched.further_charts(seen, half),
        "tables": watched.tables(seen),
        "seen": seen.seen,
    }


def profile(report: Report) -> dict[str, Any] | None:
    """The charts of the profile; None where there is none."""
    made = report.facts.profile
    if made is None:
        return None
    return {
        "note": page_profile.note(made),
        "step": page_profile.step_chart(made),
        "modules": page_profile.module_chart(made),
        "memory": page_profile.memory_chart(made),
        "operators": page_profile.operators(made),
        "machine": page_profile.machine(report.facts),
    }


def rounded(value: float | None) -> float | int | None:
    """Three significant digits: what a colour and a tooltip need."""
    if value is None:
        return None
    short = float(f"{value:.3g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def script_data(
    report: Report, drawn: Diagram, all_layers: list[Layer], index: dict[str, int], anchors: list[str]
) -> dict[str, Any]:
    """What the script reads: numbers to sort and colour by, levels and places of the diagram. Lists, one entry a module."""
    marks: dict[int, list[int]] = {}
    for i, finding in enumerate(report.findings):
        for path in dict.fromkeys([*([finding.module] if finding.module is not None else []), *finding.modules]):
            if path in index:
                marks.setdefault(index[path], []).append(i)

    def where(place: Place | None) -> list[int] | None:
        return None if place is None else [place.level, place.item, index.get(place.base, 0), place.repetition]

    def time(layer: Layer) -> float | None:
        return None if layer.forward is None else layer.forward + (layer.backward or 0.0)

    return {
        "path": [layer.module.path for layer in all_layers],
        "cls": [layer.module.name for layer in all_layers],
        "leaf": [int(not layer.module.children) for layer in all_layers],
        "shape": [f"{layer.given} → {layer.made}" if layer.made or layer.given else "" for layer in all_layers],
        "parameters": [layer.module.total for layer in all_layers],
        "flops": [layer.flops for layer in all_layers],
        "time": [rounded(time(layer)) for layer in all_layers],
        "forward": [rounded(layer.forward) for layer in all_layers],
        "backward": [rounded(layer.backward) for layer in all_layers],
        "memory": [layer.memory for layer in all_layers],
        "gradient": [rounded(layer.gradient) for layer in all_layers],
        "dead": [rounded(layer.dead) for layer in all_layers],
        "place": [where(drawn.places.get(layer.module.path)) for layer in all_layers],
        "marks": marks,
        "findings": [[a, f.severity, f.check] for a, f in zip(anchors, report.findings, strict=True)],
        "shows": [where(page_findings.place_of(finding, drawn)) for finding in report.findings],
        "levels": [
            [index.get(level.base, 0), -1 if level.above is None else level.above, level.title, level.items]
            for level in drawn.levels
        ],
        "bases": [[index[path] for path in level.paths if path in index] for level in drawn.levels],
    }


__all__ = ["format", "page"]
