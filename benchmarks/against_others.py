"""Graph, FLOPs, weights and layer table of a ResNet-50 and of GPT-2 small (random weights): nnreport against torchinfo, torchview
and TorchLens' HTML export, each doing its part, in turn, in processes of their own.

    pip install torchinfo torchlens transformers
    python benchmarks/against_others.py [ROUNDS]

Importing torch and building the model are not counted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile

PRELUDE = """
import json, os, sys, time, warnings
warnings.filterwarnings("ignore")
import torch, transformers
torch.manual_seed(0)
def build(name):
    if name == "resnet50":
        return transformers.ResNetForImageClassification(transformers.ResNetConfig()).eval(), torch.randn(1, 3, 224, 224)
    config = transformers.GPT2Config(use_cache=False)
    return transformers.GPT2LMHeadModel(config).eval(), torch.randint(0, config.vocab_size, (1, 128))
model, x = build(sys.argv[1])
result = {}
start = time.perf_counter()
"""
CLOSE = """
result["seconds"] = time.perf_counter() - start
print("RESULT" + json.dumps(result))
"""
TOOLS = {
    "nnreport": """
from nnreport.inspector.feeding.inputs import sample_of
from nnreport.build import build_report
from nnreport.facts import Facts
from nnreport.inspector.live import loaded_from_module
from nnreport.inspector.tracing.trace import trace
from nnreport.inspector.tracing.tree import read_tree
from nnreport.inspector.weighing.weights import read_weights
from nnreport.render.html import render
sample = sample_of(model, (x,), {}, "given")
tree = read_tree(model)
traced = trace(model, sample, tree, 0)
target, weights = loaded_from_module(model).target, read_weights(model)
facts = Facts(target=target, tree=tree, graph=traced.graph, reach=traced.reach, weights=weights)
page = render(build_report(facts))
result |= {"parameters": tree.total, "GFLOPs": traced.graph.flops / 1e9, "KB": len(page.encode()) / 1e3}
""",
    "torchinfo": """
import torchinfo
summary = torchinfo.summary(model, input_data=x, depth=20, verbose=0)
text = str(summary)
result |= {"parameters": summary.total_params, "GFLOPs": 2 * summary.total_mult_adds / 1e9, "KB": len(text.encode()) / 1e3}
""",
    "torchview": """
import torchview
drawn = torchview.draw_graph(model, x, depth=4, expand_nested=True)
picture = drawn.visual_graph.pipe("svg") if os.environ.get("DOT") else drawn.visual_graph.source.encode()
result |= {"KB": len(picture) / 1e3}
""",
    "TorchLens": """
import tempfile, pathlib, torchlens
trace = torchlens.trace(model, x) if hasattr(torchlens, "trace") else torchlens.log_forward_pass(model, x)
path = pathlib.Path(tempfile.mkdtemp()) / "x.html"
torchlens.export.html(trace, path)
result |= {"KB": path.stat().st_size / 1e3}
""",
}


def run(tool: str, model: str) -> dict[str, float | str]:
    """One measured run of one tool, or what it died of."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + TOOLS[tool] + CLOSE, model], capture_output=True, text=True, cwd=folder, check=False
        )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            return json.loads(line.removeprefix("RESULT"))
    return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1][:100]}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    for model in ("resnet50", "gpt2"):
        results: dict[str, list[dict[str, float | str]]] = {tool: [] for tool in TOOLS}
        for _ in range(rounds):
            for tool in TOOLS:
                results[tool].append(run(tool, model))
        print(f"\n{model}")
        for tool, runs in results.items():
            good = [each for each in runs if "seconds" in each]
            if not good:
                print(f"  {tool:<10} failed: {runs[0]['error']}")
                continue
            seconds = statistics.median(float(each["seconds"]) for each in good)
            rest = "  ".join(f"{name} {value:,.2f}" for name, value in good[0].items() if name != "seconds")
            print(f"  {tool:<10} {seconds:6.2f} s   {rest}")


if __name__ == "__main__":
    main()
