"""The inputs that the model is run on: from --input, or found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnreport.errors import UsageError
from nnreport.facts import InputSpec
from nnreport.inputspec import EXAMPLES, InputText, Interval, parse_input
from nnreport.inspector.blame import tensor_info
from nnreport.inspector.environment import without_folders
from nnreport.inspector.feeding.guess import guess_spec, image_channels, vocabulary
from nnreport.inspector.feeding.nested import leaves, map_tensors, tensors
from nnreport.inspector.feeding.noise import Recipe, redraw
from nnreport.inspector.loading.files import read_input_file
from nnreport.inspector.loading.signatures import forward_of, lacks_self
from nnreport.inspector.seeding import seeded
from nnreport.inspector.tracebacks import UserFailure, failure_of
from nnreport.inspector.weighing.statistics import range_of

if TYPE_CHECKING:
    from nnreport.inspector.feeding.data import Data
    from nnreport.inspector.loading.load import Loaded

_MEMORY_SHARE = 0.5
"""Of the free memory that one input may take."""
_VALUE_LIMIT = 80


@dataclass
class Sample:
    """What ``model(*args, **kwargs)`` is called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    specs: list[InputSpec]
    recipes: list[Recipe | None] = field(default_factory=list)
    """How each tensor was drawn, in the order of :meth:`tensors`; None (or none at all) where it was given."""

    @property
    def names(self) -> list[str]:
        return [spec.name for spec in self.specs]

    def tensors(self) -> list[tuple[str, torch.Tensor]]:
        """(path, tensor), positional inputs first."""
        return tensors((self.args, self.kwargs))

    @property
    def batch(self) -> int | None:
        """The leading size that all tensor inputs share (those without axes aside); None if they differ or there are none."""
        sizes = {tensor.shape[0] for _, tensor in self.tensors() if tensor.dim()}
        return int(sizes.pop()) if len(sizes) == 1 else None

    def to(self, device: str | torch.device) -> Sample:
        """The same inputs on a device."""
        args, kwargs = map_tensors((self.args, self.kwargs), lambda tensor: tensor.to(device))
        return Sample(args, kwargs, self.specs, self.recipes)

    def widened(self, n: int, seed: int) -> Sample:
        """Fresh noise of the same kind and range with leading axis ``n``.

        Where the inputs share no leading axis (``batch`` is None) the shapes stay. Values that were given, not drawn, are
        mixed, repeated or resampled (see :func:`nnreport.inspector.feeding.noise.redraw`), so that they stay valid.
        """
        batch = self.batch
        generator = torch.Generator().manual_seed(seed)
        recipes = iter(self.recipes)

        def fresh(tensor: torch.Tensor) -> torch.Tensor:
            recipe = next(recipes, None)
            shape = tuple(tensor.shape)
            if batch is not None and shape:
                shape = (n, *shape[1:])
            if recipe is None:
                return redraw(tensor, shape, generator)
            return recipe.draw(shape, generator).to(tensor.device)

        args, kwargs = map_tensors((self.args, self.kwargs), fresh)
        return Sample(args, kwargs, self.specs, self.recipes)


def sample_of(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], source: str) -> Sample:
    """Given values as a sample, named after ``forward``'s parameters."""
    return Sample(args, kwargs, describe(model, args, kwargs, [source] * len(args), dict.fromkeys(kwargs, source)))


def describe(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], sources: list[str], named_sources: dict[str, str]
) -> list[InputSpec]:
    """One record a tensor (or other value); inside tuples and dicts they are named ``x[0]``, ``x.mask``."""
    positional = forward_of(model).positional
    rows = [
        (positional[i] if i < len(positional) else f"input {i}", value, False, sources[i]) for i, value in enumerate(args)
    ] + [(name, value, True, named_sources[name]) for name, value in kwargs.items()]
    return [
        InputSpec(
            name=path,
            keyword=keyword,
            tensor=tensor_info(leaf) if isinstance(leaf, torch.Tensor) else None,
            value="" if isinstance(leaf, torch.Tensor) else _shown(leaf),
            source=source,
            range=range_of(leaf) if isinstance(leaf, torch.Tensor) and not leaf.is_meta else None,
        )
        for name, value, keyword, source in rows
        for path, leaf in leaves(value, name)
    ]


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…"


# ---------------------------------------------------------------------------------------------------------- --input


def sample_from_specs(specs: list[str], model: nn.Module, seed: int) -> Sample:
    """The inputs that ``--input`` asks for. Raises UsageError where one is misspelt or they do not fit ``forward``."""
    generator = torch.Generator().manual_seed(seed)
    args: list[Any] = []
    sources: list[str] = []
    kwargs: dict[str, Any] = {}
    named: dict[str, str] = {}
    drawn: dict[int, Recipe] = {}
    for text in map(parse_input, specs):
        shown = f"--input {without_folders(text.text)}"
        for name, value, recipe in _values(text, model, generator):
            if recipe is not None:
                drawn[id(value)] = recipe
            if not name:
                args.append(value)
                sources.append(shown)
            elif name in kwargs:
                raise UsageError(f"--input {text.text}: {name} is given twice")
            else:
                kwargs[name] = value
                named[name] = shown
    _check_call(model, tuple(args), kwargs, specs)
    sample = Sample(tuple(args), kwargs, describe(model, tuple(args), kwargs, sources, named))
    sample.recipes = [drawn.get(id(tensor)) for _, tensor in sample.tensors()]
    return sample


def _values(text: InputText, model: nn.Module, generator: torch.Generator) -> list[tuple[str, Any, Recipe | None]]:
    """(name, value, recipe) of one --input: one, or all that a file holds."""
    if text.is_literal:
        return [(text.name, text.literal, None)]
    if text.shape is not None:
        recipe = _recipe(text, model)
        _check_size(text, recipe)
        return [(text.name, recipe.draw(text.shape, generator), recipe)]
    assert text.path is not None
    value = read_input_file(text.path, image_channels(model))
    if text.name:
        return [(text.name, _only(value, text), None)]
    if isinstance(value, (tuple, list)):
        return [("", item, None) for item in value]
    if isinstance(value, dict):
        accepts = forward_of(model)
        if all(isinstance(key, str) and accepts.accepts(key) for key in value):
            return [(key, item, None) for key, item in value.items()]
        if len(value) == 1:
            return [("", next(iter(value.values())), None)]
        unknown = next(key for key in value if not (isinstance(key, str) and accepts.accepts(key)))
        if len(accepts.required) != 1:
            raise UsageError(f"--input {text.text}: {accepts.shown()} has no parameter {unknown!r}, which the file holds")
    return [("", value, None)]


def _only(value: Any, text: InputText) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        return next(iter(value.values()))
    return value


def _recipe(text: InputText, model: nn.Module) -> Recipe:
    if not hasattr(torch, text.dtype):
        raise UsageError(f"--input {text.text}: this torch ({torch.__version__}) has no {text.dtype}")
    interval = text.interval
    if interval is None and text.dtype in ("int64", "int32"):
        size = vocabulary(model)
        interval = Interval(0, size - 1, True, True) if size else None
    if interval is None and text.dtype == "uint8":
        interval = Interval(0, 255, True, True)
    return Recipe(text.dtype, interval)


def _check_size(text: InputText, recipe: Recipe) -> None:
    """An input beyond the memory gets a line, not the kernel's killer."""
    import psutil

    size = getattr(torch, recipe.dtype).itemsize
    for length in text.shape or ():
        size *= length
    free = psutil.virtual_memory().available
    if size > free * _MEMORY_SHARE:
        raise UsageError(f"--input {text.text} takes {size / 1e9:,.0f} GB; {free / 1e9:,.0f} GB of memory are free")


def _check_call(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], specs: list[str]) -> None:
    """Raises UsageError where ``forward`` cannot be called so (a ``forward`` without ``self`` is the model's own fault)."""
    forward = forward_of(model)
    if forward.signature is None or lacks_self(model):
        return
    try:
        forward.signature.bind(*args, **kwargs)
    except TypeError as error:
        given = ", ".join(specs)
        more = [name for name in forward.required[len(args) :] if name not in kwargs]
        hint = f"add --input for {', '.join(more)}" if more else "give one --input for each of its parameters"
        name = type(model).__name__
        raise UsageError(f"{name}.{forward.shown()} does not take --input {given}: {error}; {hint}") from None


# ------------------------------------------------------------------------------------------------------ without --input


def find_sample(loaded: Loaded, data: Data | None, seed: int) -> Sample:
    """Inputs where no --input was given.

    In this order: the first batch of the user's data; the target file's ``example_inputs()``; what the model's kind is known to
    take (:mod:`nnreport.inspector.feeding.conventions`); nothing, where ``forward`` takes nothing.

    Raises UsageError that shows the spelling, UserFailure where ``example_inputs()`` raises.
    """
    model = loaded.model
    assert model is not None
    if data is not None:
        first = data.first
        return Sample(first.args, first.kwargs, data.info.inputs)
    example = getattr(loaded.python, "example_inputs", None)
    if example is not None:
        try:
            with seeded(seed):
                given = example() if callable(example) else example
        except Exception as error:
            raise UserFailure(failure_of(error, "data"), "example_inputs()") from error
        args, kwargs = arguments_of(given, model)
        return sample_of(model, args, kwargs, "example_inputs()")
    from nnreport.inspector.feeding.conventions import conventional

    known = conventional(model, seed)
    if known is not None:
        return sample_of(model, known.args, known.kwargs, known.source)
    forward = forward_of(model)
    if forward.signature is not None and not (
        forward.positional or forward.any_positional or forward.names or forward.any_keyword
    ):
        return Sample((), {}, [])
    raise UsageError(_how_to_give(model))


def arguments_of(given: Any, model: nn.Module) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What ``example_inputs()`` returns, as a call: a tuple (or list) is the positional inputs, a dict with ``forward``'s
    parameter names the keyword ones, ``((a, b), {"mask": m})`` both; anything else is the one input."""
    forward = forward_of(model)

    def keywords(value: Any) -> bool:
        return isinstance(value, dict) and bool(value) and all(isinstance(k, str) and forward.accepts(k) for k in value)

    if keywords(given):
        return (), dict(given)
    if isinstance(given, tuple) and not hasattr(given, "_fields"):
        if len(given) == 2 and isinstance(given[0], tuple) and keywords(given[1]):
            return given[0], dict(given[1])
        return given, {}
    if isinstance(given, list) and (len(forward.required) == len(given) or forward.any_positional):
        return tuple(given), {}
    return (given,), {}


def _how_to_give(model: nn.Module) -> str:
    forward = forward_of(model)
    name = f"{type(model).__name__}.{forward.shown()}"
    guess = guess_spec(model)
    many = len(forward.required) > 1
    line = f"what does {name} take? Give an example of its input"
    if guess and not many:
        return f"{line}, perhaps --input {guess} (its first layer would take that); or define example_inputs() in its file"
    if many:
        return (
            f"{line}s, one --input for each of {', '.join(forward.required)}: {EXAMPLES}; or define example_inputs() in its file"
        )
    return f"{line}: {EXAMPLES}; or define example_inputs() in its file"
