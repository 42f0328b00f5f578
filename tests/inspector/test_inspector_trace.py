"""The graph: operations as written, where each tensor came from, calls, values; and a model that is left alone."""

import dataclasses
import random
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from tracing import fingerprint, module, names, net, node, reloads, traced

from nnreport.facts import Node
from nnreport.inspector.tracing import recorder
from sample_models.simple_net import SimpleNet


def test_simple_net():
    found, tree = traced(SimpleNet(), torch.randn(1, 784))
    graph = found.graph
    assert graph.complete
    assert [(n.kind, n.name, n.module, n.inputs) for n in graph.nodes] == [
        ("input", "x", "", []),
        ("op", "linear", "fc1", [0]),
        ("op", "relu", "relu", [1]),
        ("op", "linear", "fc2", [2]),
        ("output", "", "", [3]),
    ]
    linear = graph.nodes[1]
    assert linear.parameters == ["fc1.weight", "fc1.bias"]
    assert (linear.reads[0].shape, linear.outputs[0].shape, linear.outputs[0].dtype) == ([1, 784], [1, 128], "float32")
    assert linear.location.text == "x = self.relu(self.fc1(x))"
    assert linear.location.path == "sample_models/simple_net.py"
    assert [(c.module, c.parent, c.outputs[0].shape) for c in graph.calls] == [
        ("", None, [1, 10]),
        ("fc1", 0, [1, 128]),
        ("relu", 0, [1, 128]),
        ("fc2", 0, [1, 10]),
    ]
    assert (graph.batch, graph.output, graph.flops) == (1, "tensor", 2 * 784 * 128 + 2 * 128 * 10)
    assert graph.activation_size == 4 * (128 + 128 + 10)
    assert graph.witness.state == "agrees"
    assert {m.path: (m.calls, m.train_calls) for m in tree.modules} == {"": (1, 1), "fc1": (1, 1), "relu": (1, 1), "fc2": (1, 1)}
    assert not found.failures
    assert not found.notes
    assert found.reach.none == found.reach.zero == []
    assert found.reach.inputs == {"x": True}


def test_ranges_and_spread_come_from_several_samples():
    found, _ = traced(SimpleNet(), torch.randn(1, 784))
    relu = node(found, "relu")
    assert relu.output_range.minimum == 0
    assert 0.3 < relu.output_range.zeros < 0.7
    assert 0.3 < relu.spread < 1.5
    assert relu.input_ranges == [node(found, "linear").output_range]
    assert relu.input_ranges[0].minimum < 0


def test_fresh_batchnorm_is_calibrated_before_values_are_taken():
    torch.manual_seed(0)
    found, _ = traced(nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16)), 100 * torch.randn(1, 8) + 500)
    norm = node(found, "batch_norm")
    assert abs(norm.output_range.std - 1) < 0.5
    assert norm.attributes["training"] is False
    used = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16))
    used[1].num_batches_tracked += 1  # a trained one is taken at its word
    assert node(traced(used, 100 * torch.randn(1, 8) + 500)[0], "batch_norm").output_range.maximum > 20


def test_operations_have_the_users_names_and_literals():
    def forward(self, x):
        y = 1 - x
        y = y / 2
        y = 3 / (y + 4)
        y = y**2
        y = F.dropout(y, 0.3)
        y = torch.softmax(y, 1)
        y = y.view(2, 2, 2).mean((1, 2), keepdim=True)
        y = y.transpose(0, 1).clamp(min=1e-6).log()
        return F.leaky_relu(y, 0.2).flatten(1)[:, 0]

    found, _ = traced(net(forward, fc=nn.Linear(2, 2)), torch.rand(2, 4))
    seen = [(n.name, n.attributes) for n in found.graph.nodes if n.kind == "op"]
    assert seen == [
        ("sub", {"input": 1}),
        ("div", {"other": 2}),
        ("add", {"other": 4}),
        ("div", {"input": 3}),
        ("pow", {"exponent": 2}),
        ("dropout", {"p": 0.3, "training": True, "inplace": False}),
        ("softmax", {"dim": 1}),
        ("view", {"size": [2, 2, 2]}),
        ("mean", {"dim": [1, 2], "keepdim": True}),
        ("transpose", {"dim0": 0, "dim1": 1}),
        ("clamp", {"min": 1e-6}),
        ("log", {}),
        ("leaky_relu", {"negative_slope": 0.2, "inplace": False}),
        ("flatten", {"start_dim": 1}),
        ("getitem", {"index": ":, 0"}),
    ]


def test_changes_in_place_become_the_tensors_origin():
    def forward(self, x):
        out = torch.zeros(x.shape[0], 8)
        out[:, :4] = self.fc(x)
        tail = out[:, 4:]
        tail.add_(1)  # reaches `out` through the view
        out = out.flip(1)
        return F.relu(out, inplace=True) * 2

    found, _ = traced(net(forward, fc=nn.Linear(8, 4)), torch.randn(2, 8))
    assert names(found) == ["zeros", "linear", "setitem", "getitem", "add", "flip", "relu", "mul"]
    ids = {n.name: n.id for n in found.graph.nodes}
    assert node(found, "setitem").inputs == [ids["zeros"], ids["linear"]]
    assert node(found, "flip").inputs == [ids["add"]]
    assert node(found, "add").inplace
    assert node(found, "relu").inplace
    assert node(found, "mul").inputs == [ids["relu"]]
    assert not found.failures


def test_inference_mode_counts_no_versions():
    def forward(self, x):
        with torch.inference_mode():
            y = self.fc(x).relu_()
            y[:, 0] = 1
            return y * 2

    found, _ = traced(net(forward, fc=nn.Linear(4, 4)), torch.randn(2, 4))
    assert names(found) == ["linear", "relu", "setitem", "mul"]
    assert [n.inputs for n in found.graph.nodes if n.kind == "op"] == [[0], [1], [2], [3]]


def test_views_that_only_interleave_do_not_touch():
    def forward(self, x):
        y = self.fc(x)
        even, odd = y[:, 0::2], y[:, 1::2]
        even.mul_(2)
        return odd + 1

    found, _ = traced(net(forward, fc=nn.Linear(4, 4)), torch.randn(2, 4))
    assert node(found, "add").inputs == [node(found, "getitem", 1).id]


def test_shared_modules_and_functional_use():
    def forward(self, x):
        return F.linear(self.b(self.a(x)), self.f.weight)

    shared = nn.Linear(8, 8)
    found, tree = traced(net(forward, a=shared, b=shared, f=nn.Linear(8, 8), idle=nn.Linear(8, 8)), torch.randn(1, 8))
    assert module(tree, "a").calls == 2
    assert [c.nth for c in found.graph.calls if c.module == "a"] == [0, 1]
    assert module(tree, "f").functional
    assert not module(tree, "idle").functional
    assert found.reach.none == ["f.bias", "idle.weight", "idle.bias"]


def test_heads_that_run_in_training_only():
    def forward(self, x):
        h = self.bn(self.a(x))
        return (h, self.aux(h)) if self.training else h

    found, tree = traced(net(forward, a=nn.Linear(8, 8), bn=nn.BatchNorm1d(8), aux=nn.Linear(8, 3)), torch.randn(1, 8))
    assert (module(tree, "aux").calls, module(tree, "aux").train_calls) == (0, 1)
    assert found.graph.train_calls == {"": 1, "a": 1, "bn": 1, "aux": 1}
    assert found.reach.none == []


@dataclasses.dataclass
class Out:
    logits: torch.Tensor
    more: dict


@pytest.mark.parametrize(
    ("give", "words", "outputs"),
    [
        (lambda y: {"logits": y, "loss": y.sum()}, "dict(logits, loss)", ["logits", "loss"]),
        (lambda y: (y, [y * 2]), "tuple of 2", ["0", "1.0"]),
        (lambda y: Out(y, {"h": y + 1}), "Out(logits, more)", ["logits", "more.h"]),
        (lambda y: torch.distributions.Normal(y, y.exp(), validate_args=False), "Normal", ["loc", "scale"]),
        (lambda y: None, "None", []),
    ],
)
def test_outputs_of_any_structure(give, words, outputs):
    found, _ = traced(net(lambda self, x: give(self.fc(x)), fc=nn.Linear(4, 4)), torch.randn(2, 4))
    assert found.graph.output == words
    assert [n.name for n in found.graph.nodes if n.kind == "output"] == outputs


def test_no_inputs_and_inputs_that_are_no_tensors():
    found, _ = traced(net(lambda self: self.fc.weight * 2, fc=nn.Linear(2, 2)))
    assert (names(found), found.graph.batch) == (["mul"], None)
    found, _ = traced(
        net(lambda self, x, times, flip=False: self.fc(x) * times, fc=nn.Linear(4, 4)), torch.randn(2, 4), 3, flip=True
    )
    assert [n.name for n in found.graph.nodes if n.kind == "input"] == ["x"]
    assert node(found, "mul").attributes == {"other": 3}


def test_values_that_leave_torch_are_syncs():
    def forward(self, x):
        y = self.fc(x)
        if y.sum() > 0:
            y = y + 1
        f"{y}"
        scale = y.detach().cpu().numpy().max()
        return y * float(scale) * y.mean().item()

    found, _ = traced(net(forward, fc=nn.Linear(4, 4)), torch.rand(2, 4))
    assert [s.name for s in found.graph.syncs] == ["bool", "print", "cpu", "numpy", "item"]
    assert all(s.location.user for s in found.graph.syncs)


def test_a_way_through_numpy_stays_a_way():
    def forward(self, x):
        h = self.a(x).detach().numpy()
        return self.b(torch.from_numpy(h * 2))

    found, _ = traced(net(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 2)), torch.randn(2, 4))
    assert names(found) == ["linear", "detach", "from_numpy", "linear"]
    assert node(found, "from_numpy").inputs == [node(found, "detach").id]
    assert found.reach.cuts == [node(found, "detach").id]


def test_transformer_encoder_runs_as_it_is_written():
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # torch would take its fused path
    fast = torch.backends.mha.get_fastpath_enabled()
    found, tree = traced(model, torch.randn(2, 5, 8))
    assert names(found).count("multi_head_attention_forward") == 2
    assert names(found).count("layer_norm") == 4
    assert module(tree, "layers.1.linear2").calls == 1
    assert module(tree, "layers.0.self_attn.out_proj").functional
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert found.reach is None


def test_packed_sequences():
    def forward(self, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, [5, 3], batch_first=True)
        out, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return out

    found, tree = traced(net(forward, rnn=nn.LSTM(8, 4, batch_first=True)), torch.randn(2, 5, 8))
    assert [n for n in names(found) if "pack" in n or n == "lstm"] == ["pack_padded_sequence", "lstm", "pad_packed_sequence"]
    assert node(found, "lstm").flops == 2 * 8 * 16 * (8 + 4)  # eight tokens, no padding
    assert module(tree, "rnn").train_calls == 1


def test_scripted_modules_are_one_operation():
    scripted = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
    model = nn.Sequential(nn.Linear(8, 8), scripted, nn.Linear(8, 2))
    found, tree = traced(model, torch.randn(1, 8))
    assert names(found) == ["linear", "RecursiveScriptModule", "linear"]
    assert node(found, "RecursiveScriptModule").flops == 128
    assert found.reach.none == []
    assert not tree.stray
    assert all(parameter.grad is None for parameter in model.parameters())


def test_vmap_threads_and_custom_functions_do_no_harm():
    class Sign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.sign(x) * 1.0

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    def forward(self, x):
        y = torch.vmap(self.a)(x)
        made = []
        thread = threading.Thread(target=lambda: made.append(self.b(y)))
        thread.start()
        thread.join()
        return self.c(Sign.apply(made[0]))

    layers = {name: nn.Linear(4, 4) for name in "abc"}
    found, tree = traced(net(forward, **layers), torch.randn(2, 4))
    assert [module(tree, name).calls for name in "abc"] == [1, 1, 1]
    assert found.reach.none == []
    assert not any(n.cut for n in found.graph.nodes)
    assert not found.notes


def test_lazy_modules_get_their_shapes():
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(3))
    found, tree = traced(model, torch.randn(2, 8))
    assert names(found) == ["linear", "relu", "linear"]
    assert tree.total == 8 * 4 + 4 + 4 * 3 + 3
    assert module(tree, "0").calls == 1
    assert isinstance(model[0].weight, nn.UninitializedParameter)


class Everything(nn.Module):
    """Much that a trace could trample on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        self.head = nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.cache: list[torch.Tensor] = []
        self.bn.eval()
        self.conv.bias.requires_grad_(False)
        self.head.register_forward_hook(lambda module, args, out: out * 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        x.mul_(2)
        x = self.drop(F.relu(self.bn(self.conv(x)), inplace=True)).flatten(2).transpose(1, 2)
        x, _ = self.attention(x, x, x)
        self.cache.append(x)
        self.last = x
        return self.head(self.norm(x.mean(1)))


def test_the_model_the_input_and_the_world_are_left_alone():
    torch.manual_seed(7)
    model, x = Everything(), torch.randn(1, 3, 6, 6)
    before, given = fingerprint(model), x.clone()
    world = (torch.get_rng_state(), random.getstate(), torch.is_grad_enabled(), torch.get_default_dtype())
    hooks = [len(d) for d in (nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks)]
    found, _ = traced(model, x)
    assert found.graph.complete
    assert not found.failures
    assert fingerprint(model) == before
    assert model.cache == []
    assert torch.equal(x, given)
    assert torch.equal(torch.get_rng_state(), world[0])
    assert (random.getstate(), torch.is_grad_enabled(), torch.get_default_dtype()) == world[1:]
    assert hooks == [len(d) for d in (nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks)]
    assert reloads(model)


def test_two_traces_are_equal():
    import msgspec

    first, second = (traced(Everything(), torch.ones(1, 3, 6, 6))[0] for _ in range(2))
    assert len(first.graph.nodes) == len(second.graph.nodes)
    torch.manual_seed(0)
    model = Everything()
    graphs = []
    for _ in range(2):
        graph = traced(model, torch.ones(1, 3, 6, 6))[0].graph
        graph.witness = None  # it tells its seconds
        graphs.append(msgspec.json.encode(graph))
    assert graphs[0] == graphs[1]


def test_a_fault_of_ours_does_not_break_the_users_forward(monkeypatch):
    def broken(*arguments):
        raise KeyError("ours")

    monkeypatch.setattr(recorder, "literals", broken)
    found, tree = traced(SimpleNet(), torch.randn(1, 784))
    assert found.graph.complete
    assert module(tree, "fc2").calls == 1
    assert any("fault of nnreport's own (KeyError" in note for note in found.notes)


def test_endless_operations_are_counted_and_not_kept(monkeypatch):
    def forward(self, x):
        for _ in range(50):
            x = x + 1
        return x

    monkeypatch.setattr(recorder.Recorder.__init__, "__defaults__", (None, None, True, 20))
    found, _ = traced(net(forward, fc=nn.Linear(2, 2)), torch.randn(2, 2))
    assert found.graph.truncated == 50 - 19
    assert len(found.graph.nodes) <= 22
    assert any("31 more" in note for note in found.notes)


def test_deep_recursion_and_many_calls():
    def forward(self, x, depth=60):
        return self.fc(x) if depth == 0 else Net.forward(self, self.fc(x), depth - 1)

    Net = type(net(forward, fc=nn.Linear(2, 2)))
    found, tree = traced(Net(), torch.randn(1, 2))
    assert module(tree, "fc").calls == 61
    assert len([n for n in found.graph.nodes if n.name == "linear"]) == 61


def test_nodes_are_their_own_index():
    found, _ = traced(Everything(), torch.randn(2, 3, 6, 6))
    nodes: list[Node] = found.graph.nodes
    assert [n.id for n in nodes] == list(range(len(nodes)))
    assert all(i < n.id for n in nodes for i in n.inputs)
    assert all(len(n.inputs) == len(n.reads) == len(n.input_ranges) for n in nodes)


def test_the_range_of_a_mask_of_the_lowest_float_is_finite():
    class Masked(nn.Module):
        def forward(self, x):
            lowest = torch.finfo(x.dtype).min
            return x.masked_fill(torch.ones_like(x).triu(1).bool(), lowest).softmax(-1)

    result, _ = traced(Masked(), torch.randn(4, 6, 6))
    (masked,) = [node for node in result.graph.nodes if node.name == "masked_fill"]
    assert masked.output_range is not None
    assert 1e37 < masked.output_range.std < 1e39
