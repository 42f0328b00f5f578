"""data-error and optimizer-error: the user's own code beside the model raises."""

import torch
from torch import nn

import nnreport

MODEL = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def found(slug: str, **options) -> list:
    report = nnreport.inspect(MODEL, torch.randn(8, 4), steps=3, **options)
    return [finding for finding in report.findings if finding.check == slug]


def broken_data():
    raise OSError("no such disk")
    yield


def broken_optimizer(parameters):
    raise ValueError("invalid rate")


def test_data_that_raises_is_named_with_its_line():
    (finding,) = found("data-error", data=broken_data)
    assert finding.severity == "error"
    assert "no such disk" in finding.message
    assert finding.location.text == 'raise OSError("no such disk")'


def test_data_that_gives_batches_is_fine():
    assert found("data-error", data=[(torch.randn(8, 4), torch.randint(0, 3, (8,)))]) == []


def test_an_optimizer_that_raises_is_named():
    (finding,) = found("optimizer-error", optimizer=broken_optimizer)
    assert "invalid rate" in finding.message


def test_an_optimizer_that_works_is_fine():
    assert found("optimizer-error", optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1)) == []


def test_a_loss_that_gives_no_tensor_raises_nothing():
    (finding,) = found("loss-error", loss=lambda output, target: None)
    assert "gave a NoneType" in finding.message
    assert "raises" not in finding.message


class Picks(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(x).argmax(-1)


def test_an_output_without_gradient_is_no_fault_of_an_inferred_loss():
    report = nnreport.inspect(Picks(), torch.randn(8, 4), steps=3)
    checks = {finding.check for finding in report.findings}
    assert "backward-error" in checks
    assert "loss-error" not in checks
