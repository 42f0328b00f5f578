"""What the text of forward shows: each idiom sick and healthy, read without running and, where it matters, run."""

import pytest
import torch
from kit import findings_of, load, static

X = torch.randn(4, 6)

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.seen = nn.Linear(6, 6), nn.Linear(6, 6), []
    def forward(self, x):
{body}
"""


def net(body: str) -> str:
    return NET.format(body="\n".join(f"        {line}" for line in body.splitlines()))


def lines_of(found):
    return [each.location.text for each in found]


# ------------------------------------------------------------------------------------------------------ missing-super-init


def init(*body: str, argument: str = "", base: str = "nn.Module", more: str = "") -> str:
    """A class with that constructor."""
    return f"class Net({base}):\n    def __init__(self{argument}):\n" + "".join(f"        {line}\n" for line in body) + more


LAYER = "self.fc = nn.Linear(2, 2)"
SUPER = "super().__init__()"
SETUP = f"    def setup(self):\n        {SUPER}\n        {LAYER}\n"
SICK_INIT = {
    "never": init(LAYER),
    "too late": init(LAYER, SUPER),
    "buffer first": init("self.register_buffer('m', None)", SUPER),
    "own block": "class B(nn.Module):\n    pass\n" + init("self.b = B()", "super(Net, self).__init__()"),
}
HEALTHY_INIT = {
    "first": init(SUPER, LAYER),
    "old style": init("super(Net, self).__init__()", LAYER),
    "by name": init("nn.Module.__init__(self)", LAYER),
    "plain first": init("self.n = n", SUPER, argument=", n"),
    "none": "class Net(nn.Module):\n    def forward(self, x):\n        return x\n",
    "helper": init("self.setup()", more=SETUP),
    "no module": init(LAYER, base="object"),
}


@pytest.mark.parametrize("name", SICK_INIT)
def test_missing_super_init(tmp_path, name):
    (found,) = static(tmp_path, "missing-super-init", SICK_INIT[name])
    assert found.severity == "error"
    assert found.location.text.startswith("self.")


@pytest.mark.parametrize("name", HEALTHY_INIT)
def test_super_init_where_it_belongs(tmp_path, name):
    assert not static(tmp_path, "missing-super-init", HEALTHY_INIT[name])


# ------------------------------------------------------------------------------------------------------- module-in-forward

SICK_MADE = {
    "layer": "return nn.Linear(6, 2)(x)",
    "under an if": "if x.size(1) != 3:\n    x = nn.Conv1d(6, 3, 1)(x)\nreturn x",
    "parameter": "return x * nn.Parameter(torch.ones(6))",
    "sequence": "return nn.Sequential(nn.Linear(6, 6), nn.ReLU())(x)",
    "norm": "return nn.LayerNorm(6)(x)",
}
HEALTHY_MADE = {
    "activation": "return nn.ReLU()(self.a(x))",
    "norm without weights": "return nn.LayerNorm(6, elementwise_affine=False)(x)",
    "lazily": "if not hasattr(self, 'c'):\n    self.c = nn.Linear(6, 2)\nreturn self.c(x)",
    "lazily, none": "if self.c is None:\n    self.c = nn.Linear(6, 2).to(x.device)\nreturn self.c(x)",
    "functional": "return F.layer_norm(F.linear(x, self.a.weight), (6,))",
}


@pytest.mark.parametrize("name", SICK_MADE)
def test_module_in_forward(tmp_path, name):
    found = static(tmp_path, "module-in-forward", net(SICK_MADE[name]))
    assert [each.severity for each in found] == ["error"]


@pytest.mark.parametrize("name", HEALTHY_MADE)
def test_modules_made_once(tmp_path, name):
    assert not static(tmp_path, "module-in-forward", net(HEALTHY_MADE[name]))


def test_other_methods_are_another_matter(tmp_path):
    more = "    def help(self, x):\n        return nn.Linear(6, 6)(x)\n    def grow(self):\n        self.c = nn.Linear(6, 6)\n"
    text = net("return self.help(x)") + more
    (found,) = static(tmp_path, "module-in-forward", text)
    assert found.message.endswith("new random weights")
    assert "Net.help" in found.message


def test_own_blocks_count_by_what_they_hold(tmp_path):
    forward = "    def forward(self, x):\n        return x\n"
    block, user = (
        [init(SUPER, each, more=forward).replace("Net", "Block") for each in (LAYER, "self.act = nn.ReLU()")],
        net("return Block()(x)"),
    )
    assert static(tmp_path, "module-in-forward", block[0] + user)
    assert not static(tmp_path, "module-in-forward", block[1] + user)


# ------------------------------------------------------------------------------------------------------- functional-dropout

SICK_DROPOUT = [
    "return F.dropout(x)",
    "return F.dropout(x, 0.3)",
    "return F.dropout(x, p=0.3, inplace=True)",
    "return nn.functional.dropout2d(x, 0.3)",
    "return nn.Dropout(0.3)(x)",
]
HEALTHY_DROPOUT = [
    "return F.dropout(x, 0.3, self.training)",
    "return F.dropout(x, p=0.3, training=self.training)",
    "return F.dropout(x, 0.3, training=True)",
    "if self.training:\n    x = F.dropout(x, 0.3)\nreturn x",
    "if not self.training:\n    return x\nreturn F.dropout(x, 0.3)",
    "return F.dropout(x, 0.3 if self.training else 0.0)",
    "p = 0.3 if self.training else 0.0\nreturn F.dropout(x, p)",
    "return F.dropout(x, 0.0)",
]


@pytest.mark.parametrize("body", SICK_DROPOUT)
def test_functional_dropout(tmp_path, body):
    (found,) = static(tmp_path, "functional-dropout", net(body))
    assert found.severity == "error"
    assert "training" in found.code or "self.dropout" in found.code


@pytest.mark.parametrize("body", HEALTHY_DROPOUT)
def test_dropout_that_stops(tmp_path, body):
    assert not static(tmp_path, "functional-dropout", net(body))


def test_several_places_are_one_finding(tmp_path):
    (found,) = static(tmp_path, "functional-dropout", net("x = F.dropout(x, 0.3)\nreturn F.dropout(self.a(x), 0.3)"))
    assert found.evidence["calls"] == 2


def test_a_function_of_the_file_is_followed(tmp_path):
    helper = "def drop(x):\n    return F.dropout(x, 0.2)\n"
    assert static(tmp_path, "functional-dropout", helper + net("return drop(x)"))
    assert not static(tmp_path, "functional-dropout", helper + net("return self.a(x)"))


# ---------------------------------------------------------------------------------------- forward-called-directly, devices


def test_forward_called_directly(tmp_path):
    (found,) = findings_of("forward-called-directly", load(tmp_path, net("return self.b(self.a.forward(x))")).Net(), X)
    assert (found.module, found.code) == ("a", "self.a(x)")
    loop = net("for layer in self.layers:\n    x = layer.forward(x)\nreturn x")
    assert static(tmp_path, "forward-called-directly", loop)


@pytest.mark.parametrize("body", ["return self.b(self.a(x))", "return super().forward(x)", "return other.forward(x)"])
def test_forward_called_as_it_should_be(tmp_path, body):
    assert not static(tmp_path, "forward-called-directly", net(body))


@pytest.mark.parametrize(
    "body",
    [
        "return x + torch.zeros(6).cuda()",
        "return x + torch.zeros(6, device='cuda:0')",
        "return self.a(x.to('cuda'))",
        "return x.to(torch.device('mps'))",
    ],
)
def test_hard_coded_device(tmp_path, body):
    (found,) = static(tmp_path, "hard-coded-device", net(body))
    assert found.severity == "warning"


@pytest.mark.parametrize(
    "body",
    [
        "return x + torch.zeros(6, device=x.device)",
        "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nreturn x.to(device)",
        "y = torch.zeros(6)\nif x.is_cuda:\n    y = y.cuda()\nreturn x + y",
        "return x.to('cpu')",
        "with torch.autocast('cuda'):\n    return self.a(x)",
        "return x.cuda(self.device)",
    ],
)
def test_devices_that_are_chosen(tmp_path, body):
    assert not static(tmp_path, "hard-coded-device", net(body))


# ------------------------------------------------------------------------------------------------------- cutting the gradient

SICK_CUTS = {
    "detach": "h = self.a(x)\nh = h.detach()\nreturn self.b(h)",
    "data": "h = torch.relu(self.a(x))\nreturn self.b(h.data)",
    "tensor": "h = self.a(x)\nh = torch.tensor(h.tolist())\nreturn self.b(h)",
    "no_grad": "with torch.no_grad():\n    h = self.a(x)\nreturn self.b(h)",
    "weight": "return self.b(F.linear(x, self.a.weight.detach(), self.a.bias.detach()))",
}
HEALTHY_CUTS = {
    "straight through": "h = torch.sigmoid(self.a(x))\nreturn self.b(h + (h.round() - h).detach())",
    "log": "h = self.a(x)\nself.last = h.detach()\nreturn self.b(h)",
    "norm": "h = self.a(x)\nreturn self.b(h / h.detach().abs().max())",
    "input": "return self.b(self.a(x.detach()))",
    "number": "self.scale = self.a(x).mean().item()\nreturn self.b(self.a(x))",
    "target": "with torch.no_grad():\n    target = self.a(x)\nreturn self.b(self.a(x)), target",
}


@pytest.mark.parametrize("name", SICK_CUTS)
@pytest.mark.filterwarnings("ignore")
def test_detach_in_forward(tmp_path, name):
    (found, *_) = findings_of("detach-in-forward", load(tmp_path, net(SICK_CUTS[name])).Net(), X)
    assert found.severity == "warning"
    assert found.evidence["parameters_cut_off"] >= 1


@pytest.mark.parametrize("name", HEALTHY_CUTS)
def test_cuts_that_cost_nothing(tmp_path, name):
    assert not findings_of("detach-in-forward", load(tmp_path, net(HEALTHY_CUTS[name])).Net(), X)
    assert not static(tmp_path, "detach-in-forward", net(HEALTHY_CUTS[name]))


@pytest.mark.parametrize("name", ["detach", "data"])
def test_cuts_are_seen_in_text_alone(tmp_path, name):
    assert static(tmp_path, "detach-in-forward", net(SICK_CUTS[name]))


SICK_NUMPY = "h = self.a(x).detach().numpy()\nh = np.maximum(h, 0)\nreturn self.b(torch.from_numpy(h))"
HEALTHY_NUMPY = "scale = np.sqrt(x.shape[-1])\nreturn self.b(self.a(x) / float(scale))"


def test_numpy_in_forward(tmp_path):
    (found,) = findings_of("numpy-in-forward", load(tmp_path, net(SICK_NUMPY)).Net(), X)
    assert found.evidence["parameters_cut_off"] == 2
    assert static(tmp_path, "numpy-in-forward", net(SICK_NUMPY))


def test_numpy_for_sizes(tmp_path):
    assert not findings_of("numpy-in-forward", load(tmp_path, net(HEALTHY_NUMPY)).Net(), X)
    assert not static(tmp_path, "numpy-in-forward", net(HEALTHY_NUMPY))


# ------------------------------------------------------------------------------------------------------- state-in-forward


@pytest.mark.parametrize("body", ["h = self.a(x)\nself.seen.append(h)\nreturn h", "h = self.a(x)\nself.seen += [h]\nreturn h"])
def test_state_in_forward(tmp_path, body):
    (found,) = static(tmp_path, "state-in-forward", net(body))
    assert found.evidence["attribute"] == "seen"


@pytest.mark.parametrize(
    "body",
    [
        "self.seen = []\nself.seen.append(self.a(x))\nreturn x",
        "self.seen.clear()\nself.seen.append(self.a(x))\nreturn x",
        "if self.record:\n    self.seen.append(x)\nreturn x",
        "self.seen.append(x.mean().item())\nreturn x",
        "self.seen.append(x)\nif len(self.seen) > 4:\n    self.seen.pop(0)\nreturn x",
        "out = []\nout.append(self.a(x))\nreturn out",
    ],
)
def test_state_that_does_not_grow(tmp_path, body):
    assert not static(tmp_path, "state-in-forward", net(body))


def test_state_that_another_method_empties(tmp_path):
    text = net("self.seen.append(x)\nreturn x") + "    def reset(self):\n        self.seen = []\n"
    assert not static(tmp_path, "state-in-forward", text)


# ------------------------------------------------------------------------------------------------------ deprecated-variable


@pytest.mark.parametrize(
    ("body", "new"),
    [
        ("x = torch.autograd.Variable(x)\nreturn self.a(x)", "the tensor itself"),
        ("return F.sigmoid(self.a(x))", "torch.sigmoid"),
        ("return torch.max(self.a(x), 1)[1]", "torch.argmax"),
        ("return self.a(x).max(dim=1)[1]", "self.a(x).argmax"),
        ("return F.upsample(x, scale_factor=2)", "F.interpolate"),
        ("nn.init.xavier_uniform(self.a.weight)\nreturn x", "nn.init.xavier_uniform_"),
    ],
)
def test_deprecated_variable(tmp_path, body, new):
    (found,) = static(tmp_path, "deprecated-variable", net(body))
    assert found.severity == "note"
    assert new in found.fix


@pytest.mark.parametrize(
    "body", ["return torch.sigmoid(self.a(x))", "return torch.max(self.a(x), 1).values", "return x[1]", "return Variable(x)"]
)
def test_present_spellings(tmp_path, body):
    assert not static(tmp_path, "deprecated-variable", "def Variable(x):\n    return x\n" + net(body))


def test_unused_classes_are_not_read(tmp_path):
    text = net("return self.b(self.a(x))") + net("return F.dropout(x)").replace("class Net", "class Other")
    assert not findings_of("functional-dropout", load(tmp_path, text).Net(), X)


CHILD = """    def step(self, x):
        return x

class Child(Net):
    def step(self, x):
        return nn.Linear(6, 6)(x)
"""


def test_inherited_forward_is_read(tmp_path):
    child = load(tmp_path, net("return F.dropout(self.step(x))") + CHILD).Child()
    assert findings_of("functional-dropout", child, X)
    assert findings_of("module-in-forward", child, X)
