"""nnreport inside a script or a notebook."""

import pytest
import torch
from torch import nn

import nnreport


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        self.fc = nn.Linear(6, 3)
        self.drop = nn.Dropout(0.1)

    def forward(self, x, scale=None):
        print("talk")
        h = self.fc(self.norm(x))
        return self.drop(h if scale is None else h * scale)


@pytest.fixture(scope="module")
def model() -> Net:
    torch.manual_seed(1)
    net = Net().train()
    net.drop.eval()
    return net


def test_the_model_and_the_random_state_are_untouched_to_the_bit(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [dict(module._forward_hooks) for module in model.modules()]
    random = torch.random.get_rng_state()
    report = nnreport.inspect(model, torch.randn(8, 6))
    assert report.facts.probe is not None
    assert report.facts.probe.done == 30
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [dict(module._forward_hooks) for module in model.modules()] == hooks
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not torch.equal(torch.random.get_rng_state(), random)  # torch.randn above
    random = torch.random.get_rng_state()
    nnreport.inspect(model, "8,6", probe=False)
    assert torch.equal(torch.random.get_rng_state(), random)


def test_functions_and_batches_of_the_users_own(model):
    x, y = torch.randn(12, 6), torch.randint(0, 3, (12,))
    report = nnreport.inspect(
        model,
        x,
        data=[(x, y)],
        loss=lambda output, target: nn.functional.cross_entropy(output, target, label_smoothing=0.1),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.05),
        steps=5,
    )
    probe = report.facts.probe
    assert probe is not None
    assert probe.done == 5
    assert probe.data.user
    assert probe.loss.user
    assert probe.optimizer.name.startswith("SGD")


def test_keyword_inputs_and_saving(model, tmp_path, capsys):
    report = nnreport.inspect(model, torch.randn(8, 6), scale=torch.ones(3), probe=False)
    assert report.model.inputs == ["x: float32[8, 6]", "scale: float32[3]"]
    report.save(tmp_path / "x.html")
    report.save(tmp_path / "x.json")
    assert nnreport.load(tmp_path / "x.json").model == report.model
    assert "<" in report._repr_html_()
    assert "talk" not in capsys.readouterr().out


def test_what_is_no_module_is_told():
    with pytest.raises(nnreport.UsageError, match=r"torch\.nn\.Module"):
        nnreport.inspect([1, 2], torch.randn(1))
