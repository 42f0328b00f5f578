"""The numbers of every tensor, for every kind of tensor, without a second copy of the model."""

from __future__ import annotations

import math
import warnings

import numpy
import pytest
import torch
from torch import Tensor, nn

from nnreport.facts import WeightStats
from nnreport.inspector.weighing.moments import BINS, moments_of
from nnreport.inspector.weighing.rank import effective_rank, rank_cost
from nnreport.inspector.weighing.weights import Named, fans, read_weights, stats_of


def stats(tensor: Tensor) -> WeightStats:
    return stats_of(Named("w", tensor))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(7),
        torch.randn(300, 2000),
        torch.randn(300, 2000).t(),
        torch.randn(40, 30, 5, 5).permute(0, 2, 3, 1),
        torch.randn(600, 2000)[::2, ::3],
        torch.randn(5, 1, 3).expand(5, 700, 3),
        torch.randn(10) * 1e-3 + 1,
        torch.randn(700, 700, dtype=torch.float64) + 1e6,
        torch.tensor(3.5),
    ],
    ids=["vector", "matrix", "transposed", "permuted", "strided", "expanded", "offset", "far", "scalar"],
)
def test_against_numpy(tensor: Tensor) -> None:
    array = tensor.double().numpy()
    found = stats(tensor)
    assert found.count == array.size
    assert found.mean == pytest.approx(array.mean(), rel=1e-5, abs=1e-5)
    assert found.std == pytest.approx(array.std(), rel=1e-4, abs=1e-12)
    assert (found.minimum, found.maximum) == (array.min(), array.max())
    assert found.norm == pytest.approx(numpy.linalg.norm(array), rel=1e-5)
    assert found.zeros == (array == 0).sum()
    assert found.histogram is not None
    assert sum(found.histogram.counts) == array.size
    expected = numpy.histogram(array, BINS, (found.histogram.low, found.histogram.high))[0]
    assert numpy.abs(expected - found.histogram.counts).sum() <= max(2, array.size * 1e-3)  # float32 at the edges of bins


@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.int8, torch.uint8, torch.bool, torch.complex64],
)
def test_every_dtype(dtype: torch.dtype) -> None:
    values = torch.tensor([0.0, 1.0, 2.0, 4.0]).to(dtype)
    found = stats(values)
    assert (found.count, found.zeros, found.minimum) == (4, 1, 0.0)
    assert found.maximum == (1.0 if dtype is torch.bool else 4.0)
    assert found.dtype == str(dtype).removeprefix("torch.")


def test_wide_integers_are_exact() -> None:
    found = stats(torch.tensor([2**40, 2**40 + 1]))
    assert found.maximum - found.minimum == 1


def test_not_finite() -> None:
    found = stats(torch.tensor([[1.0, math.nan, math.inf], [-math.inf, 0.0, 3.0]]))
    assert (found.nan, found.inf, found.zeros, found.minimum, found.maximum) == (1, 2, 1, 0.0, 3.0)
    assert found.mean == pytest.approx(4 / 3)
    assert found.histogram is not None
    assert sum(found.histogram.counts) == 3
    assert found.effective_rank is None
    alone = stats(torch.tensor([math.nan]))
    assert (alone.nan, alone.histogram, alone.minimum, alone.mean) == (1, None, 0.0, 0.0)


def test_huge_values_do_not_overflow() -> None:
    found = stats(torch.full((4000,), 3e38).neg_().index_fill_(0, torch.arange(2000), 3e38))
    assert math.isfinite(found.std)
    assert found.std == pytest.approx(3e38, rel=1e-3)
    assert found.histogram is not None


def test_constant() -> None:
    found = stats(torch.full((100, 100), 0.1))
    assert found.std == 0
    assert found.histogram is not None
    assert found.histogram.low < 0.1 < found.histogram.high
    assert sum(found.histogram.counts) == 10000
    assert found.identical_rows


def test_rows() -> None:
    weight = torch.randn(10, 4, 3)
    weight[[2, 5]] = 0
    found = stats(weight)
    assert (found.rows, found.zero_rows, found.identical_rows) == (10, 2, False)
    assert stats(torch.randn(1, 4).expand(6, 4)).identical_rows
    assert not stats(torch.randn(1, 4)).identical_rows
    nearly = torch.randn(1, 4).repeat(6, 1)
    nearly[5, 3] += 1
    assert not stats(nearly).identical_rows
    assert (stats(torch.zeros(4)).rows, stats(torch.zeros(4)).zero_rows) == (0, 0)


def test_without_values() -> None:
    assert stats(torch.empty(3, 4, device="meta")).histogram is None
    assert stats(torch.empty(0, 4)).count == 0
    lazy = read_weights(nn.LazyLinear(3))
    assert [each.name for each in lazy.stats] == ["weight", "bias"]


def test_sparse_and_quantised() -> None:
    dense = torch.zeros(10, 10)
    dense[0, 0], dense[1, 1] = 2.0, -4.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [
            stats(dense.to_sparse()),
            stats(dense.to_sparse_csr()),
            stats(torch.quantize_per_tensor(dense, 0.5, 0, torch.qint8)),
        ]
    for each in found:
        assert (each.count, each.zeros, each.minimum, each.maximum) == (100, 98, -4.0, 2.0)
        assert each.mean == pytest.approx(-0.02)
        assert each.norm == pytest.approx(math.sqrt(20))
        assert each.histogram is not None
        assert sum(each.histogram.counts) == 100


def test_digests_tell_equal_tensors() -> None:
    small, large = torch.randn(8, 8), torch.randn(300, 300)
    for weight in (small, large):
        changed = weight.clone()
        changed[3, 3] += 1e-3
        assert stats(weight).digest == stats(weight.clone()).digest
        assert stats(weight).digest != stats(changed).digest
        assert stats(weight).digest != stats(weight.reshape(-1)).digest


def test_fans() -> None:
    assert fans((10, 784)) == (784, 10)
    assert fans((32, 16, 3, 3)) == (144, 288)
    assert fans((32, 16, 3, 3), swapped=True) == (288, 144)
    assert fans((5,)) == (0, 0)
    model = nn.ConvTranspose2d(8, 4, 2)
    assert (read_weights(model).stats[0].fan_in, read_weights(model).stats[0].fan_out) == (32, 16)


def test_effective_rank() -> None:
    assert effective_rank(torch.eye(64)) == pytest.approx(1)
    assert effective_rank(torch.randn(256, 3) @ torch.randn(3, 300)) * 256 == pytest.approx(3, rel=0.2)
    assert 0.7 < effective_rank(torch.randn(100, 100)) < 0.9
    assert effective_rank(torch.zeros(4, 4)) is None
    assert effective_rank(torch.randn(64, 64) * 1e30) is not None
    assert rank_cost(torch.Size((5000, 5000))) == math.inf
    assert rank_cost(torch.Size((1, 5000))) == math.inf


def test_names_kinds_and_owners() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2, bias=False))
    model[2].weight = nn.Parameter(model[0].weight[:, :2].detach().clone())
    model.register_buffer("table", torch.arange(3), persistent=False)
    found = {each.name: (each.kind, each.module) for each in read_weights(model).stats}
    assert found["0.weight"] == ("parameter", "0")
    assert found["1.running_var"] == ("buffer", "1")
    assert found["table"] == ("buffer", "")


def test_tied_ones_once() -> None:
    model = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    model[1].weight = model[0].weight
    assert [each.name for each in read_weights(model).stats] == ["0.weight", "0.bias", "1.bias"]


def test_fresh_or_trained() -> None:
    model = nn.BatchNorm1d(2)
    assert read_weights(model).fresh
    assert read_weights(model).steps == 0
    assert not read_weights(model, fresh=False).fresh
    model(torch.randn(4, 2))
    assert not read_weights(model).fresh
    assert read_weights(model).steps == 1
    assert read_weights(nn.Linear(2, 2)).steps is None


def test_the_model_is_not_touched_and_two_readings_agree() -> None:
    model = nn.Sequential(nn.Linear(200, 300), nn.BatchNorm1d(300))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    versions = [p._version for p in model.parameters()]
    threads = torch.get_num_threads()
    first, second = read_weights(model), read_weights(model)
    assert torch.get_num_threads() == threads
    assert first == second
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [p._version for p in model.parameters()] == versions


def test_no_second_copy() -> None:
    tracked: list[int] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = function(*args, **(kwargs or {}))
            if isinstance(result, Tensor) and result.untyped_storage().data_ptr() != weight.untyped_storage().data_ptr():
                tracked.append(result.untyped_storage().nbytes())
            return result

    weight = torch.randn(4000, 4000)
    with Watch():
        moments_of(weight)
    assert len(tracked) > 200
    assert max(tracked) <= 2 * 2**20
