"""How each number was got, in plain words, and in what surroundings."""

from __future__ import annotations

from nnreport.facts import Facts, Probe
from nnreport.render import format
from nnreport.report import Report


def methods(facts: Facts) -> list[tuple[str, str]]:
    """(what, how) of each kind of number that is in the report."""
    return [
        *_structure(facts),
        *_graph(facts),
        *_pictures(facts),
        *(_probe(facts.probe) if facts.probe else []),
        *_experiments(facts),
        *_profile(facts),
    ]


def _structure(facts: Facts) -> list[tuple[str, str]]:
    said = []
    if facts.tree:
        tied = sum(bool(parameter.tied) for parameter in facts.tree.parameters)
        also = f"; {format.plural(tied, 'tensor')} that stand under several names are counted once" if tied else ""
        count = format.plural(len(facts.tree.parameters), "parameter or buffer tensor", "parameter and buffer tensors")
        modules = format.plural(len(facts.tree.modules), "module")
        said.append(("Parameters", f"Elements of all parameters of the model, {count} in {modules}{also}."))
    for each in facts.target.inputs:
        what = format.tensor(each.tensor) if each.tensor else each.value
        said.append((f"Input {each.name}", f"{what}, from {each.source or 'the command line'}."))
    if facts.weights:
        came = "They were fresh, random values." if facts.weights.fresh else "They were loaded from a checkpoint."
        if facts.run is not None:
            came = "They are as the watched training left them."
        said.append(("Weights", f"One pass over each tensor: count, mean, standard deviation, ends, zeros, a histogram. {came}"))
    return said


def _graph(facts: Facts) -> list[tuple[str, str]]:
    graph = facts.graph
    if not graph:
        return []
    said = []
    ran = "" if graph.complete else " The forward pass raised an error, so the graph ends there."
    cut = f" {format.plural(graph.truncated, 'operation')} beyond the limit were counted and not kept." if graph.truncated else ""
    steps = f"{format.plural(len(graph.calls), 'module call')} and {format.plural(len(graph.nodes), 'operation')}"
    said.append(("Graph", f"One forward pass of a copy of the model in {graph.mode} mode was recorded: {steps}.{ran}{cut}"))
    witness = graph.witness
    if witness:
        state = {
            "agrees": "agrees with it",
            "differs": "differs, so our own recording is shown",
            "failed": "failed on this model, so our own recording stands alone",
            "skipped": "was not asked",
        }[witness.state]
        detail = f": {witness.detail.rstrip('.')}" if witness.detail else ""
        said.append(("Cross-check", f"{witness.name}, an independent recorder, {state}{detail}."))
    lower = (
        f" No formula is known for {format.joined(graph.uncounted[:8])}: the total is a lower bound." if graph.uncounted else ""
    )
    said.append(("FLOPs", f"Counted operation by operation from the recorded shapes; one multiply-add is 2 FLOPs.{lower}"))
    return said


def _pictures(facts: Facts) -> list[tuple[str, str]]:
    known = facts.pictures
    if known is None:
        return []
    ran = "Output and maps are of one forward pass of a copy in eval mode, before any training here. " if known.outputs else ""
    cut = "Pictures are averaged down and kept in 255 steps. --no-pictures leaves them out."
    return [("Pictures", f"A few samples of {'the user’s data' if known.user else 'the given input'}. {ran}{cut}")]


def _probe(probe: Probe) -> list[tuple[str, str]]:
    said = []
    if not probe.losses and probe.reason:
        return [("Probe", probe.reason)]
    if probe.watched:
        return _watched(probe)
    done = f"{probe.done} of {probe.steps} steps" if probe.done != probe.steps else format.plural(probe.done, "step")
    early = f" {probe.reason}" if probe.reason else ""
    said.append(
        ("Probe", f"A copy of the model was trained for {done} on one fixed batch of {probe.batch} in {probe.mode} mode.{early}")
    )
    if probe.data:
        who = "The user's own data" if probe.data.user else "Synthetic data"
        said.append(("Data", f"{who}: {probe.data.source or 'one fixed batch'}."))
    if probe.loss:
        how = {
            "given": "as given",
            "file": "named in the model's own file",
            "model": "carried by the model's output",
            "inferred": "inferred",
        }
        reason = f": {probe.loss.reason.rstrip('.')}" if probe.loss.reason else ""
        name = "The model's own" if probe.loss.source == "model" else probe.loss.name
        said.append(("Loss", f"{name}, {how.get(probe.loss.source, 'chosen')}{reason}."))
    if probe.optimizer:
        settings = ", ".join(f"{name}={format.setting(value)}" for name, value in probe.optimizer.settings.items())
        who = {"given": "as given", "file": "named in the model's own file", "default": "by default"}[probe.optimizer.source]
        said.append(("Optimizer", f"{probe.optimizer.name}({settings}), {who}."))
    if probe.observed:
        said.append(
            ("Series", f"Gradients, updates and activations were looked at in {format.plural(len(probe.observed), 'step')}.")
        )
    if any(series.dead is not None for series in probe.activations):
        samples = max(series.dead_samples for series in probe.activations)
        said.append(("Dead units", f"A unit is dead if it was zero in all of up to {samples:,} values over fresh batches."))
    return said


def _watched(probe: Probe) -> list[tuple[str, str]]:
    looked = format.plural(len(probe.observed), "step")
    said = [
        ("Run", f"The script's own training, {format.plural(probe.done, 'step')}; nothing was added to it, no copy was trained."),
        ("Series", f"Gradients, updates and activations were looked at in {looked}, each with its own batch."),
    ]
    if probe.loss:
        said.append(("Loss", f"{probe.loss.name}: {probe.loss.reason.rstrip('.')}."))
    said.append(
        ("Model", "Diagram, FLOPs, weights and time by module are of the model as the watch left it, on the first batch.")
    )
    return said


def _experiments(facts: Facts) -> list[tuple[str, str]]:
    tried = facts.experiments
    if not tried:
        return []
    done = []
    if tried.nondeterminism is not None:
        done.append("two forward passes on one input")
    if tried.mixing:
        done.append("one sample changed, the others watched")
    if tried.influence:
        done.append("each input replaced")
    if tried.batches:
        done.append("other batch sizes")
    if tried.rates:
        done.append("other learning rates")
    if tried.second_seed:
        done.append("a second seed")
    if tried.without_softmax:
        done.append("the last softmax undone")
    out = " The time for them ran out before all were done." if tried.exhausted else ""
    left = f" Left out: {format.joined(tried.skipped[:6])}." if tried.skipped else ""
    said = f"Short counterfactual runs, {format.seconds(tried.seconds)} in all: {format.joined(done) or 'none'}.{out}{left}"
    return [("Experiments", said)]


def _profile(facts: Facts) -> list[tuple[str, str]]:
    profile = facts.profile
    if not profile:
        return []
    how = "the modules' own times come from hooks"
    said = [("Time", f"The step is the median of unobserved training steps at batch {profile.batch}; {how}.")]
    cpu = facts.environment.device.startswith("cpu")
    most = "the most that was allocated at once in a step, with the parameters and the optimizer's state"
    said.append(("Memory", f"The peak is {most if cpu else 'that of the allocator'}; the parts are sizes of the tensors held."))
    return said


def environment(report: Report) -> list[tuple[str, str]]:
    """What the numbers depend on."""
    env = report.facts.environment
    where = " ".join(part for part in (env.device, f"({env.device_name})" if env.device_name else "") if part)
    pairs = [
        ("Command", env.command),
        ("Time", env.time),
        ("Device", f"{where}: {env.device_reason}" if env.device_reason and where else where),
        ("Python", env.python),
        ("PyTorch", env.torch),
        ("nnreport", env.nnreport),
        ("Platform", env.platform),
        ("Threads", str(env.threads) if env.threads else ""),
        ("Memory of the machine", format.size(env.memory) if env.memory else ""),
        ("Seed", str(env.seed)),
        *sorted(env.packages.items()),
    ]
    return [(name, value) for name, value in pairs if value]


def stages(report: Report) -> list[dict[str, str]]:
    """What was done, how long it took, and what went wrong."""
    names = {
        "ok": "done",
        "failed": "failed",
        "skipped": "left out",
        "running": "unfinished",
        "timeout": "timed out",
        "killed": "stopped",
    }
    return [
        {
            "name": s.name,
            "state": s.state,
            "word": names[s.state],
            "seconds": format.seconds(s.seconds) if s.seconds else "",
            "error": s.error,
        }
        for s in report.stages
    ]


MISSING = {
    "load": "the model itself",
    "tree": "the table of layers and the parameters",
    "trace": "the graph, shapes and FLOPs",
    "weights": "the weights",
    "probe": "the loss curve, gradients and activations",
    "experiments": "the counterfactual runs",
    "profile": "time and memory",
    "source": "the source checks",
    "inputs": "the sample input, and all that runs the model",
}
"""Stage -> what a report lacks without it."""


def banner(report: Report) -> list[dict[str, str]]:
    """One entry for each stage that did not end: what is missing and why."""
    words = {"failed": "failed", "timeout": "timed out", "killed": "was stopped"}
    return [
        {"stage": s.name, "what": words[s.state], "why": s.error.rstrip("."), "missing": MISSING.get(s.name, "")}
        for s in report.failed_stages
    ]
