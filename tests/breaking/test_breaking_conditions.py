"""Each condition on a script that has the fault, and its silence on one that has not; without a terminal."""

import textwrap

import pytest
import torch
from breaking_helpers import line_of, stops

from nnreport.facts import Facts
from nnreport.finding import Finding

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 8)
        self.act = nn.ReLU(inplace=True)
        self.fc2 = nn.Linear(8, 8)
        self.out = nn.Linear(8, 1)
    def forward(self, x):
        x = self.act(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.out(x)
net = Net()
opt = torch.optim.SGD(net.parameters(), 1e-3)
def step(x, y=None):
    opt.zero_grad()
    loss = F.mse_loss(net(x), torch.zeros(len(x), 1) if y is None else y)
    loss.backward()
    opt.step()
for i in range(6):
    step(torch.randn(16, 4))
"""


def small(forward, loop="net(x).sum().backward()"):
    """A net whose forward is one line between two layers."""
    return f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 1)
    def forward(self, x):
        h = self.a(x)
        h = {forward}
        return self.b(h)
net = Net()
opt = torch.optim.SGD(net.parameters(), 1e-3)
for i in range(3):
    x = torch.randn(8, 4)
    opt.zero_grad()
    {loop}
    opt.step()
"""


def test_a_healthy_script_is_left_alone(tmp_path):
    assert stops(tmp_path, NET, "nan", "explode", "dead") == ([], [])


@pytest.mark.parametrize(
    ("forward", "operation"),
    [
        ("torch.log(h)", "log"),
        ("h / (h - h)", "div"),
        ("torch.exp(h * 1e4)", "exp"),
        ("torch.softmax(h.masked_fill(h == h, float('-inf')), -1)", "softmax"),
        ("h.sub_(3).log_()", "log"),
        ("(h * 1e30).half().float()", "half"),
    ],
)
def test_nan_names_the_operation_and_the_line(tmp_path, forward, operation):
    (hit,), _ = stops(tmp_path, small(forward), "nan")
    assert hit.operation == operation
    assert (hit.phase, hit.module, hit.step) == ("forward", "", 0)
    assert line_of(hit) == 9
    assert hit.location.function.endswith("forward")
    assert hit.values["nan"] + hit.values["inf"] > 0
    assert hit.tensors[0].name == "here.output"
    assert any(t.name in ("here.inputs[0]", "h") for t in hit.tensors) or operation == "log"


@pytest.mark.parametrize("forward", ["torch.sqrt(h - h)", "torch.where(h > 9e9, (h * 0) ** 0.5, h)"])
def test_nan_in_the_backward_pass_names_the_line_that_built_it(tmp_path, forward):
    (hit,), _ = stops(tmp_path, small(forward), "nan")
    assert hit.phase == "backward"
    assert hit.made is not None
    assert hit.made.text.startswith("h = ")
    assert hit.location.text == "net(x).sum().backward()"


def test_a_custom_backward_is_named_itself(tmp_path):
    code = """
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1
        @staticmethod
        def backward(ctx, g):
            return g * float("nan")
    """
    (hit,), _ = stops(tmp_path, textwrap.dedent(code) + small("Bad.apply(h)"), "nan")
    assert "Bad" in hit.text
    assert hit.made.function.endswith("backward")


@pytest.mark.parametrize(
    "forward",
    [
        "torch.softmax(h.masked_fill(h < h.amax(-1, keepdim=True), float('-inf')), -1)",
        "h + torch.full((4, 4), float('-inf')).triu(1).nan_to_num(neginf=-9.0)[0]",
        "(h @ h.T + torch.full((8, 8), -torch.inf).triu(1)).softmax(-1) @ h",
        "F.scaled_dot_product_attention(h[None], h[None], h[None], is_causal=True)[0]",
        "torch.where(torch.isnan(x), torch.zeros(()), h)",
        "torch.minimum(h, torch.tensor(float('inf')))",
    ],
)
def test_an_infinity_that_was_meant_is_none(tmp_path, forward):
    assert stops(tmp_path, small(forward), "nan") == ([], [])


def test_nan_under_a_scaler_waits_for_what_the_scale_did_not_do(tmp_path):
    code = small("h", "scaler.scale(net(x).pow(2).mean() * 1e6).backward()").replace(
        "for i", "scaler = torch.amp.GradScaler('cpu', init_scale=2.0**120)\nfor i", 1
    )
    assert stops(tmp_path, code.replace("opt.step()", "scaler.step(opt); scaler.update()"), "nan", "explode")[0] == []


def test_explode_by_the_loss_and_by_the_gradient(tmp_path):
    loss, _ = stops(tmp_path, NET + "step(torch.randn(16, 4), torch.full((16, 1), 1e6))\n", "explode")
    assert loss[0].phase == "loss"
    assert loss[0].values["loss"] > loss[0].values["limit"]
    assert loss[0].step == 6
    big = NET + "net.out.weight.register_hook(lambda g: g * 1e9)\nstep(torch.randn(16, 4))\n"
    (hit,), _ = stops(tmp_path, big, "explode")
    assert (hit.phase, hit.module) == ("backward", "out")
    assert "most of it in out.weight" in hit.text
    assert hit.tensors[0].name == "here.gradients['out.weight']"


def test_dead_sees_modules_and_functions(tmp_path):
    functional, _ = stops(tmp_path, NET + "net.fc2.bias.data.fill_(-100.)\nstep(torch.randn(16, 4))\n", "dead")
    assert (functional[0].module, functional[0].operation, line_of(functional[0])) == ("", "relu", 11)
    module, _ = stops(tmp_path, NET + "net.fc1.bias.data.fill_(-100.)\nstep(torch.randn(16, 4))\n", "dead")
    assert (module[0].module, line_of(module[0])) == ("act", 10)
    assert (
        stops(tmp_path, NET + "net.fc1.bias.data.fill_(-100.)\nstep(torch.randn(1, 4))\n", "dead")[0] == []
    )  # 8 values prove nothing


def test_forward_stands_in_the_users_code(tmp_path):
    (root, layer), _ = stops(tmp_path, NET, "forward:.", "forward:fc*")
    assert (root.location.text, root.module) == ("def forward(self, x):", "")
    assert {"x", "here.inputs[0]"} & {t.name for t in root.tensors}
    assert (layer.module, line_of(layer)) == ("fc1", 10)


def test_backward_has_the_gradient_and_the_line_of_the_call(tmp_path):
    (hit,), _ = stops(tmp_path, NET, "backward:fc1")
    assert (hit.module, hit.step, hit.location.text) == ("fc1", 0, "loss.backward()")
    assert hit.made.text == "x = self.act(self.fc1(x))"
    assert hit.tensors[0].name == "here.gradient"
    assert hit.tensors[0].tensor.shape == [16, 8]


def test_step_counts_from_one_and_says_when_it_never_came(tmp_path):
    (hit,), notes = stops(tmp_path, NET, "step:3", "step:99")
    assert (hit.step, hit.location.text) == (2, "opt.step()")
    assert any(t.name == "here.gradients['fc1.weight']" for t in hit.tensors)
    assert len(notes) == 1
    assert "step:99: the watch saw 6 steps" in notes[0]


def test_step_of_an_optimizer_with_a_closure(tmp_path):
    code = (
        NET[: NET.index("for i")].replace("SGD(net.parameters(), 1e-3)", "LBFGS(net.parameters(), max_iter=2)")
        + """
x = torch.randn(16, 4)
def closure():
    opt.zero_grad()
    loss = net(x).pow(2).mean()
    loss.backward()
    return loss
for i in range(3):
    opt.step(closure)
"""
    )
    (hit,), _ = stops(tmp_path, code, "step:2")
    assert hit.step == 1


def test_a_finding_is_asked_for_while_the_script_runs(tmp_path):
    asked = []

    def judge(slug, facts: Facts):
        asked.append(facts.run.steps)
        assert facts.tree is not None
        assert facts.probe is not None
        found = Finding(check=slug, severity="warning", message="it is so.", module="fc1", evidence={"n": 2})
        return (found if facts.run.steps >= 2 else None), ""

    (hit,), _ = stops(tmp_path, NET, "finding:some-check", judge=judge)
    assert asked == [1, 2]
    assert (hit.text, hit.module, hit.step, hit.location.text) == ("some-check: it is so", "fc1", 2, "opt.step()")
    assert any(t.name == "here.parameters['fc1.weight']" for t in hit.tensors)


def test_a_check_that_cannot_be_asked_says_why(tmp_path):
    _, notes = stops(tmp_path, NET, "finding:some-check", judge=lambda slug, facts: (None, "no experiments"))
    assert "no experiments" in notes[0]


def test_the_scripts_own_exception_with_the_tensors_of_its_frame(tmp_path):
    (hit,), _ = stops(tmp_path, NET + "net.fc2 = nn.Linear(7, 8)\nstep(torch.randn(16, 4))\n", "error", error=True)
    assert (hit.kind, line_of(hit)) == ("error", 11)
    assert "16x8 and 7x8" in hit.text
    assert [t.tensor.shape for t in hit.tensors if t.name == "x"] == [[16, 8]]


def test_a_path_that_is_nowhere_is_told_of_once_and_the_script_goes_on(tmp_path, capsys):
    hits, notes = stops(tmp_path, NET, "forward:fc9", "step:2")
    assert [h.what for h in hits] == ["step:2"]
    assert len(notes) == 1
    assert "did you mean forward:fc2?" in notes[0]
    assert capsys.readouterr().err.count("no module 'fc9'") == 1


def test_each_is_hit_once_and_nothing_is_left_behind(tmp_path):
    before = torch.overrides._get_current_function_mode_stack()
    hits, _ = stops(tmp_path, small("torch.log(h)"), "nan", "backward:*", "forward:*")
    assert sorted(h.what for h in hits) == ["backward:*", "forward:*", "nan"]
    assert torch.overrides._get_current_function_mode_stack() == before
    assert torch.autograd.backward.__module__ == "torch.autograd"


def test_the_script_computes_the_same(tmp_path):
    def result(*whats):
        out = tmp_path / "w.pt"
        stops(tmp_path, NET + f"torch.save(net.state_dict(), {str(out)!r})\n", *whats)
        return torch.load(out)

    bare = result("step:99")
    watched = result("nan", "explode", "dead", "backward:*", "forward:*", "step:3")
    assert all(torch.equal(bare[name], watched[name]) for name in bare)
    assert len(bare) == 6


def test_a_copy_that_the_watch_runs_is_no_part_of_the_script(tmp_path):
    code = small("h", "net(x).log().sum().backward()").replace("for i in range(3)", "for i in range(1)")
    hits, _ = stops(tmp_path, code, "nan", "forward:b")
    assert [(h.what, h.phase) for h in hits] == [("forward:b", "forward"), ("nan", "loss")]
    calls = small("count(h)", "net(x).log().sum().backward()").replace(
        "net = Net()", "seen = []\ndef count(h):\n    seen.append(1)\n    return h\nnet = Net()"
    )
    late = calls.replace("for i in range(3)", "for i in range(1)").replace("opt.step()", "assert len(seen) == 2")
    assert len(stops(tmp_path, late, "forward:zz", "nan")[0]) == 1
