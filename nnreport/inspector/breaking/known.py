"""What is known of a run while it goes on, as the facts that checks ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from nnreport.facts import Facts
from nnreport.inspector.preserve import preserved
from nnreport.inspector.watching.watcher import Watcher

COSTLY = 20_000_000
"""Parameters of a model of which a copy is traced while the script waits, at most."""


class Known:
    """The facts so far. What does not change with the run (tree, source, graph, first weights) is gathered once.

    Args:
        watcher: of the run.
        seed: of what is random in the trace.
        base: facts that somebody has gathered already.
    """

    def __init__(self, watcher: Watcher, seed: int = 0, base: Facts | None = None) -> None:
        self.watcher, self.seed = watcher, seed
        self.base = base or Facts()
        self.gathered = base is not None

    def facts(self) -> Facts:
        """As it stands now."""
        from nnreport.inspector.watching.gather import gather_probe, gather_run

        if not self.gathered:
            self.gathered = True
            self.gather()
        facts = self.base
        run = gather_run(self.watcher)
        facts.run = run
        facts.probe = gather_probe(self.watcher)
        return facts

    def gather(self) -> None:
        """Tree, source, graph and weights of the main model, each if it can be had."""
        from nnreport.inspector.watching.gather import main_index

        if not self.watcher.models:
            return
        model = self.watcher.models[main_index(self.watcher)].watch.root()
        if model is None:
            return
        device = str(next((p.device for p in model.parameters()), "cpu"))
        with preserved(self.seed, device):
            for part in (self.structure, self.weights, self.graph):
                with contextlib.suppress(Exception):
                    part(model)

    def structure(self, model: Any) -> None:
        from nnreport.inspector.live import loaded_from_module
        from nnreport.inspector.reading.source import read_source
        from nnreport.inspector.tracing.tree import read_tree

        self.base.tree = read_tree(model)
        loaded = loaded_from_module(model)
        self.base.target = loaded.target
        self.base.source = read_source(loaded, model)

    def weights(self, model: Any) -> None:
        from nnreport.inspector.weighing.weights import read_weights

        self.base.weights = read_weights(model)

    def graph(self, model: Any) -> None:
        """The trace runs on a copy."""
        from nnreport.inspector.feeding.inputs import sample_of
        from nnreport.inspector.tracing.trace import trace

        capture = self.watcher.capture
        if not capture.batches or capture.entry is not model or self.base.tree is None or self.base.tree.total > COSTLY:
            return
        first = capture.batches[0]
        sample = sample_of(model, first.args, first.kwargs, "first batch of the script")
        self.base.target.inputs = sample.specs
        traced = trace(model, sample, self.base.tree, self.seed)
        self.base.graph, self.base.reach = traced.graph, traced.reach


Judge = Callable[[str, Facts], tuple[Any, str]]
"""``judge(slug, facts)`` -> (a finding or None, why the check could not be asked or ``""``)."""
