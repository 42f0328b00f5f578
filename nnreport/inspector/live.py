"""A model that is there already: :func:`nnreport.inspect` in a notebook or script."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import nn

from nnreport.facts import Target
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
