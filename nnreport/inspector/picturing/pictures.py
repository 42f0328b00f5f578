"""All pictures of one model: a forward of a copy in eval mode, and the sample that goes into it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nnreport.facts import Graph, Picture, Pictures, Tree
from nnreport.inspector.blame import tensor_info
from nnreport.inspector.picturing.drawn import draw
from nnreport.inspector.picturing.filters import first_filters
from nnreport.inspector.picturing.kinds import Kind, kind_of
from nnreport.inspector.picturing.maps import Watch, choice
from nnreport.inspector.picturing.outputs import draw_output, draw_target, labels_of
from nnreport.inspector.picturing.rasters import Undrawable, strided
from nnreport.inspector.picturing.readers import Reader, readers
from nnreport.inspector.weighing.statistics import range_of

if TYPE_CHECKING:
    from nnreport.inspector.feeding.inputs import Sample

INPUTS, OUTPUTS = 4, 2


def take_pictures(
    model: nn.Module,
    sample: Sample,
    *,
    target: Any = None,
    user: bool = False,
    graph: Graph | None = None,
    tree: Tree | None = None,
    seed: int = 0,
    run: bool = True,
) -> tuple[Pictures, list[str]]:
    """The pictures, and a sentence for each part that could not be drawn. Neither the model nor the sample is changed.

    Args:
        model: the user's.
        sample: what goes in.
        target: what the user's data says should come out, else None.
        user: the sample is of the user's data.
        graph: how the inputs are read; without it their shapes alone speak.
        tree: of the model, for the shapes of its parameters.
        seed: of a forward that draws at random.
        run: False: the forward is known to fail; the inputs alone are drawn.
    """
    notes: list[str] = []
    made = Pictures(samples=sample.batch or 0, user=user)
    known = readers(graph, tree)
    inputs = named_inputs(sample)
    kinds: dict[str, Kind] = {}
    sources = [spec.source for spec in sample.specs if spec.tensor is not None]
    for i, (name, tensor) in enumerate(inputs[:INPUTS]):
        recipe = sample.recipes[i] if i < len(sample.recipes) else None
        about = {"source": sources[i] if i < len(sources) else "", "noise": recipe is not None and not user}
        fill = partial(draw_input, tensor=tensor, reader=known.get(name), kinds=kinds)
        made.inputs.append(picture_of(name, tensor, fill, notes, **about))
        if (kind := kinds.get(name)) is not None and kind.also:
            as_read = partial(draw, tensor=tensor, kind=Kind("channels", kind.also))
            made.inputs.append(picture_of(f"{name}, as the model reads it", tensor, as_read, notes, **about))
    if len(inputs) > INPUTS:
        notes.append(f"{len(inputs) - INPUTS} more inputs are not drawn.")
    order = [known[name] for name, _ in inputs if name in known]
    made.filters = attempt(partial(first_filters, dict(model.named_parameters()), order), "the first filters", notes)
    wanted = attempt(partial(strided, target), "the target", notes) if isinstance(target, Tensor) else None
    made.labels = attempt(partial(labels_of, wanted, sample.batch or 0), "the labels", notes) or []
    if wanted is not None and all(target is not tensor for _, tensor in inputs):
        picture = picture_of("target", wanted, partial(draw_target, target=wanted), notes)
        if picture.kind != "none":
            made.targets.append(picture)
    if run:
        watched = attempt(partial(forward, model, sample, graph, seed), "the output", notes)
        if watched is not None:
            output, made.maps = watched
            add_outputs(made, output, wanted, kinds, notes)
    return made, notes


def draw_input(picture: Picture, tensor: Tensor, reader: Reader | None, kinds: dict[str, Kind]) -> None:
    """Fills in the picture of an input, and puts its kind under its name in ``kinds``."""
    tensor = strided(tensor)
    kind = kinds[picture.name] = kind_of(tensor, picture.name, reader)
    draw(picture, tensor, kind)


def named_inputs(sample: Sample) -> list[tuple[str, Tensor]]:
    """The tensors, named as their records are."""
    names = [spec.name for spec in sample.specs if spec.tensor is not None]
    found = [tensor for _, tensor in sample.tensors()]
    names += [f"input {i}" for i in range(len(names), len(found))]
    return list(zip(names, found, strict=False))


def picture_of(name: str, tensor: Tensor, fill: Callable[[Picture], None], notes: list[str], **about: Any) -> Picture:
    """A picture that ``fill`` draws; where it fails the picture says so and nothing else is lost."""
    picture = Picture(name=name, kind="none", **about)
    with contextlib.suppress(Exception):  # of a nested tensor there is no shape
        picture.tensor = tensor_info(tensor)
        picture.range = range_of(tensor)
    try:
        fill(picture)
    except Undrawable as reason:
        picture.kind = "none"
        picture.remarks = [f"It is not drawn: {reason}."]
    except Exception as error:
        picture = Picture(name=name, kind="none", tensor=picture.tensor, **about)
        picture.remarks = [f"It is not drawn: {told(error)}."]
        notes.append(f"The tensor {name} could not be drawn ({told(error)}).")
    return picture


def attempt(make: Callable[[], Any], what: str, notes: list[str]) -> Any:
    """What ``make`` gives, or None and a note."""
    try:
        return make()
    except Undrawable:
        return None
    except (Exception, SystemExit) as error:
        notes.append(f"{what[0].upper()}{what[1:]} could not be drawn ({told(error)}).")
        return None


def told(error: BaseException) -> str:
    """The class and first line of an error, short."""
    line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {line[:120]}" if line else type(error).__name__


def forward(model: nn.Module, sample: Sample, graph: Graph | None, seed: int) -> tuple[Any, list[Any]]:
    """Output and maps of a copy of the model in eval mode."""
    from nnreport.inspector.clone import clone
    from nnreport.inspector.feeding.nested import map_tensors
    from nnreport.inspector.seeding import seeded

    copy = clone(model)
    copy.eval()
    names, wanted = choice(graph)
    args, kwargs = map_tensors((sample.args, sample.kwargs), torch.clone)
    device = next((tensor.device for _, tensor in sample.tensors()), torch.device("cpu"))
    with seeded(seed, device), torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
        if not wanted:
            return copy(*args, **kwargs), []
        with Watch(copy, names, wanted) as watch:
            output = copy(*args, **kwargs)
    return output, watch.maps


def add_outputs(made: Pictures, output: Any, target: Tensor | None, kinds: dict[str, Kind], notes: list[str]) -> None:
    """The tensor that a loss would read first, then others."""
    from nnreport.inspector.training.outputs import named_tensors, prediction

    found = list(named_tensors(output))
    first = prediction(output)
    if first is not None:
        found = [first, *(pair for pair in found if pair[1] is not first[1])]
    for i, (name, tensor) in enumerate(found[:OUTPUTS]):
        beside = target if i == 0 else None
        alike = [each.name for each in made.inputs if each.tensor and each.tensor == tensor_info(tensor)]
        like = kinds.get(alike[0]) if alike and tensor.is_floating_point() else None
        fill = partial(draw_output, tensor=tensor, target=beside, like=like)
        made.outputs.append(picture_of(name or "output", tensor, fill, notes))
