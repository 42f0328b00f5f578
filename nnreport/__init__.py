"""nnreport: one command from a PyTorch model to a report.

>>> import nnreport
>>> report = nnreport.inspect(model, torch.randn(1, 784))
>>> report.save("report.html")
>>> with nnreport.watch(model, optimizer) as w:
...     train(model, optimizer)
>>> w.report.save("run.html")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnreport.api import inspect
    from nnreport.errors import NNReportError, UsageError
    from nnreport.finding import Finding
    from nnreport.report import Report
    from nnreport.store import load
    from nnreport.watching import watch

__all__ = ["Finding", "NNReportError", "Report", "UsageError", "inspect", "load", "watch"]

_HOMES = {
    "Finding": "finding",
    "NNReportError": "errors",
    "Report": "report",
    "UsageError": "errors",
    "inspect": "api",
    "load": "store",
    "watch": "watching",
}
"""Public name -> module it lives in; imported on first use, so that the command line answers at once."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnreport' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"nnreport.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
