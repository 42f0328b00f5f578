"""A model and inputs that are there already: :func:`nnreport.inspect` in a notebook or script."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nnreport.facts import InputSpec, Target, TensorInfo
from nnreport.inspector.feeding.inputs import Sample
from nnreport.inspector.loading.load import Loaded
from nnreport.inspector.locate import class_location


def loaded_from_module(model: nn.Module) -> Loaded:
    """The model as if it had been loaded; nothing of it is copied or changed."""
    cls = type(model)
    python = sys.modules.get(cls.__module__)
    file = getattr(python, "__file__", None)
    target = Target(
        spec=cls.__name__,
        name=cls.__name__,
        cls=f"{cls.__module__}.{cls.__qualname__}",
        location=class_location(cls),
    )
    path = Path(file) if file and "site-packages" not in file else None
    return Loaded(model=model, target=target, python=python, path=path, rebuild=None, state=None, failure=None)


def sample_from_values(model: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Sample:
    """The inputs as a sample, named after forward's parameters."""
    names = [
        parameter.name
        for parameter in inspect.signature(model.forward).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    named = [(names[i] if i < len(names) else f"input {i}", value, False) for i, value in enumerate(inputs)]
    named += [(name, value, True) for name, value in keywords.items()]
    specs = [
        InputSpec(
            name=name,
            keyword=keyword,
            tensor=TensorInfo(shape=list(value.shape), dtype=str(value.dtype).removeprefix("torch."))
            if isinstance(value, torch.Tensor)
            else None,
            value="" if isinstance(value, torch.Tensor) else repr(value)[:80],
            source="given",
        )
        for name, value, keyword in named
    ]
    return Sample(args=tuple(inputs), kwargs=dict(keywords), specs=specs)
