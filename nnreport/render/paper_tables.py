"""The tables of the PDF: the rows that matter as tables, the rest as monospaced lines, which cost a tenth of the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nnreport.facts import Facts, Module, TensorInfo
from nnreport.render import format, watched
from nnreport.render.page_profile import operator
from nnreport.render.plain import visible
from nnreport.report import Report

ROWS = 110
"""Rows of the layer table; deeper modules are left to the appendix beyond that."""
STATES = {"passed": "Passed", "not-applicable": "Did not apply", "ignored": "Left out", "failed": "Failed"}
LINES = 3_000
"""Lines of one appendix (60 pages would follow); the attached JSON has all."""


class Row(NamedTuple):
    """One row; ``depth`` indents its first cell."""

    cells: list[str]
    depth: int = 0


class Table(NamedTuple):
    """A table with a caption; columns in ``right`` hold numbers."""

    caption: str
    head: list[str]
    rows: list[Row]
    right: tuple[int, ...] = ()
    note: str = ""


# -------------------------------------------------------------------------------------------------------------- layers


def layer_table(facts: Facts) -> Table | None:
    """The tree of modules, equal siblings in a row as one ×N, cut at the depth that keeps it short."""
    tree = facts.tree
    if tree is None or len(tree.modules) < 2:
        return None
    children: dict[str, list[Module]] = {}
    for module in tree.modules:
        if module.parent is not None:
            children.setdefault(module.parent, []).append(module)
    rows: list[tuple[Module, int, list[Module]]] = []

    def walk(path: str, depth: int) -> None:
        for group in runs(children.get(path, [])):
            rows.append((group[0], depth, group))
            walk(group[0].path, depth + 1)

    walk("", 0)
    deepest = max((depth for _, depth, _ in rows), default=0)
    while deepest and sum(depth <= deepest for _, depth, _ in rows) > ROWS:
        deepest -= 1
    shown = [row for row in rows if row[1] <= deepest][:ROWS]
    folded = any(len(group) > 1 for _, _, group in shown)
    notes = ["Equal modules in a row are one line; its numbers are their sum." if folded else ""]
    if len(shown) < len(rows):
        notes.append("Deeper modules stand in the appendix.")
    costs = Costs(facts)
    head = ["Module", "Class", "Output", "Parameters", "FLOPs", "Time", "Share"]
    cells = [Row(costs.cells(module, group), depth) for module, depth, group in shown]
    return Table("Modules", head, cells, (3, 4, 5, 6), " ".join(filter(None, notes)))


def runs(modules: Sequence[Module]) -> list[list[Module]]:
    """Structurally equal siblings that follow each other, together."""
    groups: list[list[Module]] = []
    for module in modules:
        if groups and module.signature and groups[-1][0].signature == module.signature:
            groups[-1].append(module)
        else:
            groups.append([module])
    return groups


class Costs:
    """What each module gives, costs and weighs, looked up once."""

    def __init__(self, facts: Facts) -> None:
        self.outputs: dict[str, list[TensorInfo]] = {}
        self.flops: dict[str, int] = {}
        for call in facts.graph.calls if facts.graph else []:
            self.outputs.setdefault(call.module, call.outputs)
            self.flops[call.module] = self.flops.get(call.module, 0) + call.flops
        profile = facts.profile
        self.seconds = {cost.module: cost.forward_total + cost.backward_total for cost in profile.modules} if profile else {}
        own = sum(cost.forward + cost.backward for cost in profile.modules) if profile else 0.0
        self.whole = own or None

    def cells(self, module: Module, group: Sequence[Module]) -> list[str]:
        """A row of the layer table."""
        name = module.path.rpartition(".")[2]
        if len(group) > 1:
            name = f"{name} … {group[-1].path.rpartition('.')[2]}"
        flops = [self.flops[each.path] for each in group if each.path in self.flops]
        times = [self.seconds[each.path] for each in group if each.path in self.seconds]
        spent = sum(times) if times else None
        state = "" if module.calls or not self.outputs else " (not called)"
        return [
            visible(format.elide(name, 40)) + state,
            visible(format.elide(module.name, 30)) + (f" ×{len(group)}" if len(group) > 1 else ""),
            format.shapes(self.outputs.get(module.path, []), 1),
            format.count(sum(each.total for each in group)) if any(each.total for each in group) else "0",
            format.flops(sum(flops)).replace("FLOP", "") if flops else format.NOTHING,
            format.seconds(spent),
            format.percent(spent / self.whole) if spent is not None and self.whole else format.NOTHING,
        ]


def layer_lines(facts: Facts) -> list[str]:
    """Every module on a line of its own, for the appendix; empty if the table shows them all."""
    tree = facts.tree
    if tree is None or len(tree.modules) < 12:
        return []
    costs = Costs(facts)
    lines = [f"{'module':<38} {'class':<19} {'output':>16} {'parameters':>13} {'time':>9}"]
    for module in tree.modules[:LINES]:
        shape = format.shapes(costs.outputs.get(module.path, []), 1)
        path, cls = visible(format.elide(module.path or "(the model)", 38)), visible(format.elide(module.name, 19))
        time = format.seconds(costs.seconds.get(module.path))
        lines.append(f"{path:<38} {cls:<19} {format.elide(shape, 16):>16} {module.total:>13,} {time:>9}")
    if len(tree.modules) > LINES:
        lines.append(f"… and {len(tree.modules) - LINES:,} more, in the attached report.json")
    return lines


def parameter_lines(facts: Facts) -> list[str]:
    """Every parameter and buffer with its statistics, for the appendix."""
    if facts.weights is None or not facts.weights.stats:
        return []
    stats = facts.weights.stats
    lines = [f"{'parameter':<37} {'shape':>15} {'mean':>10} {'std':>10} {'min':>10} {'max':>10}"]
    for each in stats[:LINES]:
        numbers = " ".join(f"{format.number(value):>10}" for value in (each.mean, each.std, each.minimum, each.maximum))
        name = visible(format.elide(each.name, 37))
        broken = f" {each.nan + each.inf:,} not finite" if each.nan or each.inf else ""
        lines.append(f"{name:<37} {format.elide(format.shape(each.shape), 15):>15} {numbers}{broken}")
    if len(stats) > LINES:
        lines.append(f"… and {len(stats) - LINES:,} more, in the attached report.json")
    return lines


# ------------------------------------------------------------------------------------------------------------- profile


def operator_table(facts: Facts) -> Table | None:
    """The operators that took most of the time."""
    if facts.profile is None or not facts.profile.operators:
        return None
    rows = [
        Row(
            [
                visible(format.elide(operator(each.name), 60)),
                f"{each.calls:,}",
                format.seconds(each.seconds),
                format.percent(each.share),
            ]
        )
        for each in facts.profile.operators[:15]
    ]
    return Table("Operators", ["Operator", "Calls", "Time", "Share"], rows, (1, 2, 3))


def memory_table(facts: Facts) -> Table | None:
    """Where the memory of a training step goes."""
    profile = facts.profile
    if profile is None:
        return None
    parts = {
        "Parameters": profile.parameters_memory,
        "Gradients": profile.gradients_memory,
        "Optimizer state": profile.optimizer_memory,
        "Activations kept for backward": profile.activations_memory,
        "Peak of the step": profile.peak_memory,
    }
    rows = [Row([name, format.size(value)]) for name, value in parts.items() if value]
    return Table("Memory of one training step", ["Part", "Size"], rows, (1,)) if rows else None


def run_tables(facts: Facts) -> list[Table]:
    """Models, optimizers, loaders, evaluations and ranks of a watched script."""
    if facts.run is None:
        return []
    return [
        Table(
            grid.title,
            [head[:1].upper() + head[1:] for head in grid.head],
            [Row([visible(cell) for cell in row]) for row in grid.rows],
        )
        for grid in watched.tables(facts.run)
    ]


# --------------------------------------------------------------------------------------------------------------- pairs


def training_rows(facts: Facts) -> list[tuple[str, str]]:
    """How the copy was trained, and what came of it."""
    probe = facts.probe
    rows = []
    if facts.run is not None:
        rows = [("The run", watched.words(facts)), *watched.numbers(facts.run)]
    if probe is None:
        return [(name, visible(value)) for name, value in rows]
    if probe.data:
        rows.append(("Data", f"{'yours: ' if probe.data.user else ''}{probe.data.source or 'synthetic'}; batch of {probe.batch}"))
    if probe.loss:
        named = "the model's own" if probe.loss.source == "model" else f"{probe.loss.name}, {probe.loss.source}"
        rows.append(("Loss", named + (f": {probe.loss.reason}" if probe.loss.reason else "")))
    if probe.optimizer:
        settings = ", ".join(f"{name}={format.setting(value)}" for name, value in probe.optimizer.settings.items())
        rows.append(("Optimizer", f"{probe.optimizer.name}({settings}), {probe.optimizer.source}"))
    if probe.losses and facts.run is None:
        ends = f"{format.number(probe.losses[0], 4)} → {format.number(probe.losses[-1], 4)}"
        rows.append(("Loss over the steps", f"{ends} in {probe.done} of {probe.steps} steps"))
    if len(probe.eval_losses) == 2:
        rows.append(("In eval mode", " → ".join(format.number(value, 4) for value in probe.eval_losses)))
    if probe.nonfinite:
        first = probe.nonfinite
        where = format.module(first.module) + (f", {format.place(first.location)}" if first.location else "")
        rows.append(("First non-finite value", f"step {first.step}, {first.phase}: {first.operation} in {where}"))
    if probe.reason:
        rows.append(("Ended early", probe.reason))
    return [(name, visible(value)) for name, value in rows]


def stage_rows(report: Report) -> list[tuple[str, str, str]]:
    """Stage, what became of it, seconds or reason."""
    return [
        (stage.name, stage.state, visible(stage.error) or (format.seconds(stage.seconds) if stage.seconds else ""))
        for stage in report.stages
    ]


def check_rows(report: Report) -> list[tuple[str, str]]:
    """What became of the checks that found nothing."""
    rows = []
    for state, words in STATES.items():
        outcomes = [outcome for outcome in report.outcomes if outcome.state == state]
        if outcomes:
            names = ", ".join(outcome.check + (f" ({outcome.reason})" if state == "failed" else "") for outcome in outcomes)
            rows.append((f"{words} ({len(outcomes)})", visible(names)))
    return rows


def environment_rows(facts: Facts) -> list[tuple[str, str]]:
    """Where it was measured."""
    e = facts.environment
    rows = [
        ("Command", e.command),
        ("Time", e.time),
        ("nnreport", e.nnreport),
        ("torch", e.torch),
        ("Python", e.python),
        ("Platform", e.platform),
        ("Device", " — ".join(filter(None, (e.device, e.device_name, e.device_reason)))),
        ("Threads", str(e.threads) if e.threads else ""),
        ("Memory", format.size(e.memory) if e.memory else ""),
        ("Seed", str(e.seed)),
        ("Packages", ", ".join(f"{name} {version}" for name, version in e.packages.items())),
    ]
    return [(name, visible(value)) for name, value in rows if value]


def method_rows(facts: Facts) -> list[tuple[str, str]]:
    """How each number was got."""
    rows = [("Parameters", "Elements of all parameters, tied ones once; buffers apart.")]
    if graph := facts.graph:
        flops = "Counted from the shapes of every operation in one forward of the given input; a multiply-add is 2."
        if graph.uncounted:
            flops += f" No formula is known for {format.joined(graph.uncounted[:6])}, so the total is a lower bound."
        how = f"Recorded in {graph.mode} mode on a copy of the model: hooks on every module, a tap on every torch function."
        if graph.witness:
            detail = f" ({graph.witness.detail})" if graph.witness.detail else ""
            how += f" A second recording by {graph.witness.name}: {graph.witness.state}{detail}."
        rows += [("FLOPs", flops), ("Graph", how)]
    if facts.weights:
        source = "the values of a just-made model" if facts.weights.fresh else "the values of the checkpoint"
        if facts.run is not None:
            source = "the values that the watched training left"
        rows.append(("Weights", f"One pass over each tensor: {source}."))
    if facts.probe:
        who = "The script's own training" if facts.run else "A copy of the model was trained; the model itself was not changed"
        text = f"{who}. Gradients are root mean squares per parameter,"
        rows.append(("Training", f"{text} updates are norms over the norm of the weight."))
    if profile := facts.profile:
        text = f"Seconds are medians of training steps at a batch of {profile.batch}; those of modules come from hooks."
        rows.append(("Time", text))
        if profile.machine and profile.machine.flops:
            rates = (profile.machine.flops, profile.machine.bandwidth, profile.achieved_flops)
            product, copy, step = (format.rate(rate, unit) for rate, unit in zip(rates, ("FLOP/s", "B/s", "FLOP/s"), strict=True))
            rows.append(("This machine", f"{product} in a float32 matrix product, {copy} in a copy; the step reached {step}."))
    return [(name, visible(value)) for name, value in rows]
