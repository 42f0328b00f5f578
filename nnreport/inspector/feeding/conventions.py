"""What models of a known kind take, with no --input: Lightning, Hugging Face, timm, torchvision, ``dummy_inputs``."""

from __future__ import annotations

import contextlib
import inspect
import sys
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from nnreport.inspector.clone import CloneError, clone
from nnreport.inspector.feeding.nested import map_tensors, tensors
from nnreport.inspector.loading.signatures import forward_of
from nnreport.inspector.seeding import seeded
from nnreport.inspector.training.families import hugging_face

#: torchvision's sub-package -> shape of one input (its documented training sizes; detection takes lists and is left out).
_TORCHVISION = {"segmentation": (3, 224, 224), "quantization": (3, 224, 224), "video": (3, 16, 112, 112)}
BATCH = 2


@dataclass(frozen=True)
class Known:
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    source: str = ""


def conventional(model: nn.Module, seed: int) -> Known | None:
    """Inputs for a model whose kind says what it takes, else None. Runs copies of it where several could be meant."""
    generator = torch.Generator().manual_seed(seed)
    for known in (_lightning(model), _hugging_face(model, generator, seed), _pictures(model, generator), _dummy(model)):
        if known is not None:
            return known
    return None


def _lightning(model: nn.Module) -> Known | None:
    with contextlib.suppress(Exception):  # a property of the user's may raise
        example = getattr(model, "example_input_array", None)
        if isinstance(example, dict) and tensors(example):
            return Known(kwargs=example, source="example_input_array")
        if isinstance(example, tuple) and tensors(example):
            return Known(example, source="example_input_array")
        if isinstance(example, torch.Tensor):
            return Known((example,), source="example_input_array")
    return None


def _hugging_face(model: nn.Module, generator: torch.Generator, seed: int) -> Known | None:
    config = getattr(model, "config", None)
    if not isinstance(getattr(config, "model_type", None), str):
        return None
    choices = hugging_face(model, config, generator, BATCH)
    for choice in choices:
        if len(choices) == 1 or _runs(model, choice, seed):
            return Known(kwargs=choice, source=f"the model's config ({type(config).__name__})")
    return Known(kwargs=choices[0], source=f"the model's config ({type(config).__name__})") if choices else None


def _runs(model: nn.Module, kwargs: dict[str, Any], seed: int) -> bool:
    """A copy of the model takes these inputs in eval mode."""
    try:
        copied = clone(model).eval()
        with seeded(seed), torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
            copied(**kwargs)
    except CloneError:
        return True
    except Exception:
        return False
    return True


def _pictures(model: nn.Module, generator: torch.Generator) -> Known | None:
    """timm's models know their input size; torchvision's have one by kind."""
    for attribute in ("pretrained_cfg", "default_cfg"):
        settings = getattr(model, attribute, None)
        size = settings.get("input_size") if isinstance(settings, dict) else None
        if isinstance(size, (tuple, list)) and all(isinstance(each, int) for each in size):
            return Known((torch.randn(BATCH, *size, generator=generator),), source=f"the model's {attribute}")
    package = type(model).__module__.split(".")
    if package[:2] == ["torchvision", "models"] and len(package) > 2 and package[2] not in ("detection", "optical_flow"):
        shape = (3, 299, 299) if package[2] == "inception" else _TORCHVISION.get(package[2], (3, 224, 224))
        return Known((torch.randn(BATCH, *shape, generator=generator),), source="the usual size of torchvision's models")
    return None


def _dummy(model: nn.Module) -> Known | None:
    """``dummy_inputs``: an attribute, property or method without arguments."""
    with contextlib.suppress(Exception):
        given = getattr(model, "dummy_inputs", None)
        if inspect.ismethod(given) or inspect.isfunction(given):
            given = given()
        if given is None or not tensors(given):
            return None
        given = map_tensors(given, lambda tensor: tensor.detach().clone())
        if isinstance(given, dict):
            accepts = forward_of(model).accepts
            kwargs = {name: value for name, value in given.items() if isinstance(name, str) and accepts(name)}
            return Known(kwargs=kwargs, source="dummy_inputs") if kwargs else None
        return Known(given if isinstance(given, tuple) else (given,), source="dummy_inputs")
    return None
