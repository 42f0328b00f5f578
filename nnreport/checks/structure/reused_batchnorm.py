"""reused-batchnorm: one batch norm for several feature maps

## Looks for
One BatchNorm instance that is called several times in one forward, on the outputs of different layers.

## Why it matters
It keeps one running mean and variance for all of them. In training each call is normalised by its own batch and the
statistics are mixed; in evaluation every call is normalised by the mixture, which fits none: training looks well, evaluation
does not.

## How to mend it
One BatchNorm per place. ReLU, pooling and dropout may be shared, a BatchNorm may not.

## Quiet when
* the whole trunk is shared (siamese towers, a head over several pyramid levels, a recurrent cell): then the layer before it
  is the same one at each call, and both see the same kind of input;
* it keeps no running statistics.

## Known limits
A shared norm over pyramid levels whose convolution is shared may still suffer from mixed statistics; it is not reported.

## Sources
torch-audit TA501 (which fires on siamese towers too: the rule of the layer before it is ours).
"""

from __future__ import annotations

from collections.abc import Iterator

from nnreport.checks.lookup import lookup
from nnreport.checks.walk import BATCH_NORMS, TRANSPARENT, walk
from nnreport.facts import Facts, Node
from nnreport.finding import Finding, Severity

SEVERITY: Severity = "warning"
NEEDS = ("graph", "tree")


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per BatchNorm."""
    assert facts.graph is not None
    graph, named = walk(facts.graph), lookup(facts)
    calls: dict[str, list[Node]] = {}
    for node in graph.operations(BATCH_NORMS):
        calls.setdefault(node.module, []).append(node)
    for path, nodes in calls.items():
        if len(nodes) < 2 or not named.kind(path).startswith(("BatchNorm", "SyncBatchNorm", "LazyBatchNorm")):
            continue
        if named.settings(path).get("track_running_stats") is False:
            continue
        before: dict[str, int] = {}
        for node in nodes:
            source = graph.source(node, 0, TRANSPARENT)
            if source is not None and source.kind == "op" and source.parameters:
                before[source.module] = before.get(source.module, 0) + 1
        if len(before) < 2:
            continue
        shapes = list(dict.fromkeys(str(node.reads[0].shape) for node in nodes if node.reads))
        yield Finding(
            check="reused-batchnorm",
            severity=SEVERITY,
            message=(
                f"{named.label(path)} is called {len(nodes)} times in one forward, "
                f"on the outputs of {len(before)} different layers ({', '.join(before)})"
            ),
            module=path,
            modules=[path],
            location=named.node_line(nodes[1]),
            evidence={"calls": len(nodes), "different_layers": len(before), "shapes": "; ".join(shapes)},
            why="Its running mean and variance are a mixture that fits none of the places, so evaluation differs from training.",
            fix="Give each place a BatchNorm of its own.",
            code="\n".join(f"self.{path.rpartition('.')[2]}{i} = nn.{named.kind(path)}(...)" for i in range(1, len(before) + 1)),
            node=nodes[1].id,
        )
