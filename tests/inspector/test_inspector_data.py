"""The user's batches told apart, read again and summed up; synthetic ones wide enough."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from nnreport.errors import UsageError
from nnreport.inspector.feeding.batches import Batch, looks_like_batch, split
from nnreport.inspector.feeding.data import load_data, synthetic_data
from nnreport.inspector.feeding.inputs import sample_from_specs, sample_of
from nnreport.inspector.feeding.synthetic import MOST_PRODUCTS
from nnreport.inspector.loading.signatures import forward_of


class One(nn.Module):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x


class Pair(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class Labelled(nn.Module):
    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None) -> Tensor:
        return input_ids


X, Y, Z = torch.ones(5, 4), torch.zeros(5), torch.full((5,), 2.0)


def cut(value: Any, model: nn.Module | None = None) -> Batch:
    return split(value, forward_of(model or One()), "the data")


def shape_of(batch: Batch) -> tuple[int, list[str], bool]:
    return len(batch.args), sorted(batch.kwargs), batch.target is not None


# ---------------------------------------------------------------------------------------------------- batches told apart


@pytest.mark.parametrize(
    ("value", "model", "expected"),
    [
        (X, One(), (1, [], True)),
        ((X, Y), One(), (1, [], True)),
        ([X, Y], One(), (1, [], True)),
        (((X, Z), Y), Pair(), (2, [], True)),
        (([X, Z], Y), Pair(), (2, [], True)),
        ((X, Z), Pair(), (2, [], False)),
        ((X, Z, Y), Pair(), (2, [], True)),
        ((X, Z, Y), One(), (2, [], True)),
        ((X, None), One(), (1, [], False)),
        (({"x": X, "mask": Z}, Y), One(), (0, ["mask", "x"], True)),
        ({"x": X, "mask": Z, "y": Y}, One(), (0, ["mask", "x"], True)),
        ({"image": X, "label": Y, "path": ["a"]}, One(), (1, [], True)),
        ({"anything": X, "target": Y}, One(), (1, [], True)),
        ({"input_ids": X, "labels": Y, "idx": Z}, Labelled(), (0, ["input_ids", "labels"], True)),
        ({"input_ids": X, "attention_mask": Z}, Labelled(), (0, ["attention_mask", "input_ids"], False)),
        ((X,), One(), (1, [], True)),
        ((X, {"size": Y, "box": Z}), One(), (1, [], True)),
    ],
)
def test_rules(value: Any, model: nn.Module, expected: tuple[int, list[str], bool]) -> None:
    assert shape_of(cut(value, model)) == expected


def test_arrays_and_named_tuples() -> None:
    batch = cut((numpy.ones((5, 4)), numpy.arange(5)))
    assert batch.args[0].dtype is torch.float64
    assert batch.target.dtype is torch.int64
    row = namedtuple("row", "features label")
    assert shape_of(cut(row(X, Y))) == (1, [], True)


def test_a_dict_is_the_input_of_a_model_that_takes_one() -> None:
    class Boxed(nn.Module):
        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return batch["a"]

    batch = cut({"a": X, "b": Z, "y": Y}, Boxed())
    assert list(batch.args[0]) == ["a", "b"]
    assert batch.target is Y


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (3, "gave a int, which is no batch: write (inputs, target)"),
        (None, "gave None"),
        (("a", "b"), "gave a tuple of 2 (str, str) without tensors"),
        ({"a": "b"}, "gave a dict with a and no tensor for the model: forward(x: Tensor, mask: Tensor | None = None)"),
    ],
)
def test_what_is_no_batch(value: Any, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        cut(value)
    assert line in str(caught.value)


def test_a_batch_or_a_list_of_them() -> None:
    assert looks_like_batch((X, Y))
    assert looks_like_batch([X, Y])
    assert looks_like_batch(((X, Z), Y))
    assert looks_like_batch({"x": X})
    assert not looks_like_batch([(X, Y), (X, Y)])
    assert not looks_like_batch([[X, Y]])
    assert not looks_like_batch([])


# --------------------------------------------------------------------------------------------------- read, and read again


def load(value: Any, model: nn.Module | None = None) -> Any:
    loaded: Any = SimpleNamespace(model=model or One(), python=None)
    return load_data(value, loaded, 0)


def numbered(count: int) -> Callable[[], Iterator[tuple[Tensor, Tensor]]]:
    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(count):
            yield torch.full((6, 4), float(i)) + torch.randn(6, 4) * 0.01, torch.tensor([0, 1, 2, 0, 1, 2])

    return batches


def number(batch: Batch) -> int:
    return round(float(batch.args[0].mean()))


def test_batches_in_their_order_and_round_again() -> None:
    data = load(numbered(3))
    assert [number(data.first), *(number(data.fresh(i)) for i in range(4))] == [0, 1, 2, 0, 1]
    assert data.info.batches_seen == 3
    assert data.info.batch == 6


def test_the_order_of_asking_does_not_matter() -> None:
    one, other = load(numbered(20)), load(numbered(20))
    late = one.fresh(6).args[0]
    early = [other.fresh(i).args[0] for i in range(7)][-1]
    assert torch.equal(late, early)


def test_an_endless_generator_is_read_a_little() -> None:
    pulled = []

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            pulled.append(1)
            yield torch.randn(4, 4), torch.randn(4)

    load(endless)
    assert len(pulled) == 8


def test_one_batch_a_call() -> None:
    data = load(lambda: (torch.randn(4, 4), torch.randn(4)))
    assert not torch.equal(data.first.args[0], data.fresh(0).args[0])
    fixed = load(lambda: (X, Y))
    assert fixed.info.batches_seen == 1
    assert fixed.fresh(3) is fixed.first


@pytest.mark.parametrize("value", [(X, Y), [(X, Y), (X + 1, Y)], X, [[X, Y]], iter([(X, Y)])])
def test_objects(value: Any) -> None:
    assert torch.equal(load(value).first.args[0], X)


def test_loaders_and_datasets() -> None:
    dataset = TensorDataset(torch.arange(40.0).view(20, 2), torch.arange(20))
    assert load(dataset).first.size == 20
    assert load(lambda: dataset).first.size == 20
    loader = DataLoader(dataset, batch_size=5, num_workers=2, shuffle=True)
    data = load(loader)
    assert data.info.batches_seen == 4
    assert loader.num_workers == 2
    assert torch.equal(data.first.args[0], load(lambda: loader).first.args[0])

    class Stream(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[Any]:
            return iter([(X, Y)])

    assert load(Stream()).first.size == 5


def test_it_prints_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    def talks() -> Iterator[Any]:
        print("reading")
        yield X, Y

    load(talks)
    assert capsys.readouterr().out == ""


def test_the_random_state_is_left_alone() -> None:
    state = torch.random.get_rng_state()
    load(lambda: (torch.randn(4, 4), torch.randn(4)))
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_users_code_raises() -> None:
    def broken() -> Iterator[Any]:
        yield X, Y
        raise ValueError("row 7 is short")

    failure = load(broken).failure
    assert failure is not None
    assert (failure.phase, failure.exception, failure.message) == ("data", "ValueError", "row 7 is short")
    assert failure.location is not None
    assert 'raise ValueError("row 7 is short")' in failure.location.text


class Empty(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (3, "the data is a int: give a function that yields batches"),
        (lambda: 3, "the data returned 3: return batches, or yield them"),
        (lambda: None, "returned None"),
        (lambda n: n, "the data is called without arguments, but takes (n): give them defaults"),
        (lambda: lambda: 3, "returned a function"),
        (list, "the data is empty"),
        ([], "the data is empty"),
        (Empty(), "the dataset is empty"),
        (lambda: iter(["text"]), "gave a str, which is no batch"),
    ],
)
def test_no_data(value: Any, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(value)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------------ statistics


def test_labels() -> None:
    info = load(numbered(2)).info.target
    assert info.classes == {"0": 4, "1": 4, "2": 4}
    assert info.integral
    assert not info.sorted
    assert not info.equals_input
    assert info.variance == pytest.approx(2 / 3)


def test_sorted_labels() -> None:
    assert load([(torch.randn(8, 4), torch.arange(8) // 4)]).info.target.sorted
    assert not load([(torch.randn(8, 4), torch.zeros(8))]).info.target.sorted


def test_regression_targets() -> None:
    info = load([(torch.randn(100, 4), torch.linspace(-1, 3, 100))]).info.target
    assert info.classes == {}
    assert not info.integral
    assert (info.range.minimum, info.range.maximum) == (-1, 3)


def test_the_target_is_the_input() -> None:
    assert load([(X, X.clone())]).info.target.equals_input
    assert load([X]).info.target.equals_input
    ids = torch.arange(5)
    assert not load([{"input_ids": X, "labels": ids}], Labelled()).info.target.equals_input


def test_a_target_of_several_tensors_is_only_there() -> None:
    assert load([(X, {"a": Y, "b": Z})]).info.target.tensor is None
    assert load([{"x": X}]).info.target is None


def test_columns() -> None:
    table = torch.stack([torch.full((6,), 1000.0), torch.arange(6.0)], 1)
    columns = load([(table, Y.repeat(2)[:6]), (table + 1, Y.repeat(2)[:6])]).info.columns
    assert [round(c.mean, 1) for c in columns["x"]] == [1000.5, 3.0]
    assert columns["x"][1].maximum == 6
    assert load([(torch.randn(2, 300), Y[:2])]).info.columns["x"][255]
    assert len(load([(torch.randn(2, 300), Y[:2])]).info.columns["x"]) == 256


# ------------------------------------------------------------------------------------------------------------- synthetic


def test_widened_to_sixteen() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    data = synthetic_data(sample_from_specs(["1,4"], model, 0), model, 0)
    assert (data.info.batch, data.info.given_batch, data.user) == (16, 1, False)
    assert data.first.args[0].shape == (16, 4)
    assert data.first.target is None
    assert not torch.equal(data.fresh(0).args[0], data.fresh(1).args[0])
    assert torch.equal(data.fresh(1).args[0], data.fresh(1).args[0])
    assert torch.equal(model[1].running_mean, torch.zeros(3))


def test_a_wide_batch_is_kept() -> None:
    model = nn.Linear(4, 3)
    sample = sample_from_specs(["24,4"], model, 0)
    data = synthetic_data(sample, model, 0)
    assert data.first.args[0] is sample.args[0]
    assert data.info.batch == 24


def test_a_model_that_takes_one_size_only() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x.view(8))

    data = synthetic_data(sample_from_specs(["2,4"], Fixed(), 0), Fixed(), 0)
    assert data.info.batch == 2


def test_a_heavy_model_is_not_widened_to_hours() -> None:
    model = nn.Conv2d(16, 256, 7, padding=3)
    one = 256 * 16 * 49 * 200 * 200
    sample = sample_of(model, (torch.zeros(1, 16, 200, 200),), {}, "given")
    data = synthetic_data(sample, model, 0)
    assert data.info.batch == max(n for n in (16, 8, 4, 2) if n * one <= MOST_PRODUCTS)
    assert data.info.batch < 16
    assert "more would be slow here" in data.info.source


def test_no_inputs() -> None:
    class Nothing(nn.Module):
        def forward(self) -> Tensor:
            return torch.ones(1)

    data = synthetic_data(sample_of(Nothing(), (), {}, ""), Nothing(), 0)
    assert (data.first.args, data.info.batch) == ((), 0)
