"""What goes in and what comes out: the kind of each tensor, the caps, dead maps, and that nothing else can fail by it."""

import base64
import zlib

import msgspec
import pytest
import torch
from torch import nn

import nnreport
from nnreport.inspector.feeding.inputs import sample_from_specs, sample_of
from nnreport.inspector.picturing import pictures as room
from nnreport.inspector.picturing.kinds import kind_of
from nnreport.inspector.picturing.pictures import take_pictures
from nnreport.inspector.picturing.rasters import BROKEN, raster
from nnreport.inspector.picturing.readers import Reader
from nnreport.inspector.tracing.trace import trace
from nnreport.inspector.tracing.tree import read_tree


def values(made):
    """The bytes of a raster."""
    return zlib.decompress(base64.b64decode(made.data))


def pictures(model, *args, target=None, user=False, **more):
    sample = sample_of(model, args, {}, "given")
    tree = read_tree(model)
    graph = trace(model, sample, tree, 0).graph
    return take_pictures(model, sample, target=target, user=user, graph=graph, tree=tree, **more)


class Convnet(nn.Module):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 12, 3, padding=1)
        self.deep = nn.Conv2d(12, 12, 3, padding=1)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(x))
        x = nn.functional.relu(self.deep(x), inplace=True)
        return self.head(x.mean((2, 3)))


def photo(count: int = 2, size: int = 32) -> torch.Tensor:
    """[N, 3, y, x]: a sky, a disc, and colours that differ."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    disc = ((x - 0.4) ** 2 + (y - 0.3) ** 2 < 0.05).float()
    planes = torch.stack([0.9 * disc, 0.3 + 0.4 * y, 0.95 - 0.6 * y * (1 - disc)])
    return planes.expand(count, 3, size, size).clone()


# ----------------------------------------------------------------------------------------------------------------- kinds


@pytest.mark.parametrize(
    ("shape", "reader", "kind"),
    [
        ((2, 3, 16, 16), Reader("conv2d"), "image"),
        ((2, 1, 16, 16), Reader("conv2d"), "image"),
        ((2, 5, 16, 16), Reader("conv2d"), "channels"),
        ((2, 784), Reader("linear"), "image"),
        ((2, 785), Reader("linear"), "row"),
        ((2, 4096), Reader("linear"), "row"),
        ((2, 4096), Reader("conv1d"), "waveform"),
        ((2, 1, 4096), Reader("conv1d"), "waveform"),
        ((2, 80, 300), Reader("conv1d"), "map"),
        ((2, 6, 300), Reader("conv1d"), "series"),
        ((2, 300, 6), Reader("lstm"), "series"),
        ((2, 300, 64), Reader("layer_norm"), "map"),
        ((2, 28, 28), Reader("linear", shape=[2, 784]), "image"),
        ((2, 3, 4, 16, 16), Reader("conv3d"), "image"),
        ((), None, "values"),
    ],
)
def test_the_kind_follows_from_shape_and_reader(shape, reader, kind):
    assert kind_of(torch.randn(shape), "x", reader).name == kind


def test_integers_are_tokens_unless_they_are_used_as_numbers_or_switches():
    ids = torch.randint(0, 90, (2, 20))
    assert kind_of(ids, "ids", Reader("embedding")).name == "tokens"
    assert kind_of(ids % 2, "ids", Reader("embedding")).name == "tokens"
    assert kind_of(ids % 2, "other", Reader("masked_fill")).name == "mask"
    assert kind_of(ids, "attention_mask", None).name == "mask"
    assert kind_of(ids, "x", Reader("linear")).name == "row"
    assert kind_of(torch.randint(0, 255, (2, 3, 16, 16), dtype=torch.uint8), "x", None).name == "image"


def test_time_first_is_seen_in_the_recurrent_layer():
    class Recurrent(nn.Module):
        def __init__(self, batch_first: bool) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 8, batch_first=batch_first)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm(x)[0]

    for batch_first, length in ((True, 30), (False, 5)):
        made, _ = pictures(Recurrent(batch_first), torch.randn(5, 30, 3))
        assert made.inputs[0].kind == "series"
        assert made.inputs[0].length == length


# ---------------------------------------------------------------------------------------------------- channels that are swapped


def test_channels_last_by_mistake_is_said_and_drawn_both_ways():
    model = nn.Sequential(nn.Conv2d(16, 4, 3, padding=1), nn.ReLU())
    made, _ = pictures(model, photo(2, 16).permute(0, 2, 3, 1).contiguous())  # [2, 16, 16, 3]
    looks, read = made.inputs
    assert looks.raster.shape == [2, 3, 16, 16]
    assert "permute(0, 3, 1, 2)" in looks.warnings[0]
    assert read.kind == "channels"
    assert read.raster.shape[2:] == [16, 3]


def test_channels_last_that_the_model_permutes_itself_is_no_mistake():
    class Permuting(Convnet):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.permute(0, 3, 1, 2))

    made, _ = pictures(Permuting(), photo(2, 16).permute(0, 2, 3, 1).contiguous())
    assert len(made.inputs) == 1
    assert made.inputs[0].raster.shape == [2, 3, 16, 16]
    assert not made.inputs[0].warnings


def test_a_reshape_in_place_of_a_permute_is_seen_in_the_pixels():
    right = photo()
    wrong = right.permute(0, 2, 3, 1).contiguous().view_as(right)
    assert "reshaped" in pictures(Convnet(), wrong)[0].inputs[0].warnings[0]
    assert not pictures(Convnet(), right)[0].inputs[0].warnings
    assert not pictures(Convnet(), torch.randn(2, 3, 32, 32))[0].inputs[0].warnings


# ------------------------------------------------------------------------------------------------------------- rasters


def test_a_raster_holds_the_values_on_a_scale():
    made = raster(torch.tensor([[-1.0, 0.0, 1.0, float("nan"), float("inf")]]).double())
    assert (made.low, made.high) == ([-1.0], [1.0])
    assert list(values(made)) == [0, 127, 254, BROKEN, BROKEN]


def test_each_row_has_a_scale_of_its_own_where_asked():
    made = raster(torch.tensor([[0.0, 10.0], [500.0, 700.0], [3.0, 3.0]]).double(), each=True)
    assert (made.low, made.high) == ([0, 500, 3], [10, 700, 3])
    assert list(values(made)) == [0, 254, 0, 254, 127, 127]


def test_the_scale_of_an_image_is_one_that_images_are_kept_in():
    for given, ends in ((photo(), (0, 1)), (photo() * 2 - 1, (-1, 1)), ((photo() * 255).to(torch.uint8), (0, 255))):
        found = pictures(nn.Flatten(), given)[0].inputs[0].raster
        assert (found.low[0], found.high[0]) == ends
    normalised = pictures(nn.Flatten(), (photo() - 0.45) / 0.22)[0].inputs[0].raster
    assert normalised.low[0] == pytest.approx((0 - 0.45) / 0.22, rel=1e-3)


def test_caps_are_kept():
    made, _ = pictures(Convnet(), photo(8, 200), user=True)
    assert made.inputs[0].raster.shape[0] <= 4
    for each in (made.inputs[0].raster, made.filters.raster, *(found.raster for found in made.maps)):
        assert len(values(each)) <= 12_288
    assert len(made.maps) <= 3
    assert all(len(found.channels) <= 8 for found in made.maps)
    noise = torch.randn(8, 3, 64, 64)
    assert len(msgspec.json.encode(pictures(Convnet(), noise, user=True)[0])) < 32_000


def test_noise_is_called_noise_and_kept_small():
    model = Convnet()
    made, _ = take_pictures(model, sample_from_specs(["4,3,64,64"], model, 0))
    assert made.inputs[0].noise
    assert made.inputs[0].raster.shape == [1, 3, 24, 24]
    assert not pictures(model, photo())[0].inputs[0].noise


# -------------------------------------------------------------------------------------------------------- filters and maps


def test_a_dead_map_is_told_and_shown():
    model = Convnet()
    with torch.no_grad():
        for conv in (model.conv, model.deep):  # all others are alive
            conv.weight.abs_()
        model.conv.bias[10] = -1e3
        model.conv.weight[10] = 0
    made, notes = pictures(model, photo())
    first, second = made.maps
    assert first.dead == [10]
    assert first.dead_count == 1
    assert 10 in first.channels
    place = first.channels.index(10)
    size = first.raster.shape[1] * first.raster.shape[2]
    assert set(values(first.raster)[place * size : (place + 1) * size]) == {0}
    assert second.dead == []
    assert made.filters.zero == [10]
    assert not notes


def test_maps_say_where_they_are_from_module_and_function():
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
            self.conv = nn.Conv2d(4, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.conv(self.block(x))).flatten(1)

    made, _ = pictures(Mixed(), photo())
    assert [(found.module, found.operation) for found in made.maps] == [("block.1", "relu"), ("", "tanh")]


def test_a_linear_layer_over_digits_has_filters_and_another_has_none():
    digits = pictures(nn.Sequential(nn.Linear(784, 16)), torch.randn(2, 784))[0]
    assert digits.filters.raster.shape[1:] == [1, 28, 28]
    assert pictures(nn.Sequential(nn.Linear(790, 16)), torch.randn(2, 790))[0].filters is None


# ----------------------------------------------------------------------------------------------------------------- outputs


def test_scores_values_and_their_targets():
    scores = pictures(nn.Linear(5, 7), torch.randn(6, 5), target=torch.arange(6), user=True)[0]
    assert scores.outputs[0].kind == "scores"
    assert scores.labels == [0, 1, 2, 3, 4, 5]
    for row in scores.outputs[0].rows:
        assert [entry.value for entry in row] == sorted((entry.value for entry in row), reverse=True)
        assert sum(entry.share for entry in row) < 1
    wanted = torch.randn(6, 1)
    numbers = pictures(nn.Linear(5, 1), torch.randn(6, 5), target=wanted, user=True)[0].outputs[0]
    assert numbers.kind == "values"
    assert [entry.target for entry in numbers.row] == pytest.approx(wanted.flatten().tolist(), rel=1e-3)


def test_a_segmenter_gives_maps_of_classes():
    target = torch.randint(0, 3, (2, 16, 16))
    made, _ = pictures(nn.Conv2d(3, 3, 1), photo(2, 16), target=target, user=True)
    assert made.outputs[0].kind == "channels"  # three classes are no colours
    assert made.outputs[0].second.shape == [2, 16, 16]
    assert made.targets[0].kind == "classes"
    restored = [round(level * made.targets[0].raster.high[0] / 254) for level in values(made.targets[0].raster)]
    assert restored == target.flatten().tolist()
    made, _ = pictures(nn.Conv2d(3, 4, 1), photo(2, 16))
    assert made.outputs[0].kind == "channels"  # four classes are no colours with transparency
    assert made.outputs[0].second.shape == [2, 16, 16]


def test_an_autoencoder_gives_back_what_it_was_given():
    made, _ = pictures(nn.Conv2d(3, 3, 1), photo(2, 16))
    assert made.outputs[0].kind == made.inputs[0].kind == "image"


def test_a_language_model_gives_classes_over_places():
    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(50, 8), nn.Linear(8, 50)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.embed(ids))

    ids = torch.randint(1, 50, (3, 40))
    ids[:, 30:] = 0
    made, _ = pictures(Tiny(), ids)
    assert made.inputs[0].tokens[0] == ids[0, :24].tolist()
    assert made.inputs[0].length == 40
    assert set(values(made.inputs[0].raster)[30:40]) == {0}  # the padding is one run
    assert made.outputs[0].axes == ["class", "place"]
    assert made.outputs[0].raster.shape == [16, 32]


def test_a_waveform_keeps_its_peaks_and_its_pitch():
    time = torch.arange(8000) / 8000
    wave = 0.1 * torch.sin(2 * torch.pi * 1000 * time)
    wave[4321] = 1.0
    made, _ = pictures(nn.Conv1d(1, 4, 16), wave.expand(2, 1, -1).clone())
    each = made.inputs[0]
    assert each.kind == "waveform"
    assert each.raster.high[0] == pytest.approx(1.0)
    bands, frames = each.second.shape
    quiet = values(each.second)[2::frames]  # one moment, far from the peak
    assert quiet.index(max(quiet)) == pytest.approx(bands * 1000 / 4000, abs=1)


# -------------------------------------------------------------------------------------------------- what must never happen

ODD = {
    "half": torch.randn(2, 3, 8, 8).half(),
    "bfloat16": torch.randn(2, 6).bfloat16(),
    "float8": torch.randn(2, 6).to(torch.float8_e4m3fn),
    "complex": torch.randn(2, 5, 8, 8, dtype=torch.complex64),
    "bool": torch.ones(2, 5, dtype=torch.bool),
    "bool image": torch.ones(2, 5, 8, 8, dtype=torch.bool),
    "empty": torch.zeros(2, 0),
    "empty image": torch.zeros(2, 3, 0, 4),
    "nan": torch.full((2, 3, 8, 8), float("nan")),
    "huge": torch.tensor([[3e38, -3e38]]),
    "scalar": torch.tensor(1.0),
    "sparse": torch.eye(4).to_sparse(),
    "six axes": torch.randn(2, 2, 2, 2, 2, 2),
    "large ids": torch.full((2, 30), 2**62),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tensors_are_drawn_or_said_not_to_be(name):
    class Same(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"out": x.clone()}

    model = Same()
    made, notes = take_pictures(model, sample_of(model, (ODD[name],), {}, "given"), target=ODD[name])
    assert notes == []
    for each in made.inputs:
        assert each.kind != "none" or each.remarks
    msgspec.json.encode(made)


def test_an_empty_tensor_is_called_empty():
    made, _ = take_pictures(nn.Identity(), sample_of(nn.Identity(), (torch.zeros(2, 0),), {}, "given"))
    assert made.inputs[0].remarks == ["It is not drawn: it is empty."]


def test_the_model_and_the_sample_stay_as_they_are():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout())
    model.train()
    model[3].eval()
    given = photo()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept, state = given.clone(), torch.get_rng_state()
    pictures(model, given)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [True, True, True, False]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(given, kept)
    assert torch.equal(state, torch.get_rng_state())


def test_a_fault_in_drawing_is_a_note_and_the_report_is_whole(monkeypatch):
    def broken(*args, **more):
        raise RuntimeError("no ink")

    monkeypatch.setattr(room, "kind_of", broken)
    monkeypatch.setattr(room, "first_filters", broken)
    monkeypatch.setattr(room, "forward", broken)
    report = nnreport.inspect(nn.Sequential(nn.Linear(4, 2)), torch.randn(8, 4), steps=1, budget=0)
    stage = next(stage for stage in report.stages if stage.name == "pictures")
    assert stage.state == "ok"
    assert sum("no ink" in note for note in report.facts.notes) == 3
    assert report.facts.probe is not None
    assert report.facts.probe.done == 1


def test_pictures_are_left_out_on_request():
    report = nnreport.inspect(nn.Sequential(nn.Linear(4, 2)), torch.randn(8, 4), probe=False, pictures=False)
    assert report.facts.pictures is None
    stage = next(stage for stage in report.stages if stage.name == "pictures")
    assert (stage.state, stage.error) == ("skipped", "--no-pictures")


def test_a_forward_that_fails_still_shows_what_was_given():
    report = nnreport.inspect(Convnet(), photo().permute(0, 2, 3, 1).contiguous(), probe=False)
    assert report.facts.failures
    assert report.facts.pictures.inputs[0].raster.shape == [2, 3, 32, 32]
    assert report.facts.pictures.outputs == []
