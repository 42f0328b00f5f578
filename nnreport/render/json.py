"""The report as JSON, for programs and for ``nnreport render`` and ``diff``."""

from __future__ import annotations

from nnreport.report import Report
from nnreport.store import dump


def render(report: Report) -> bytes:
    """The JSON; see :func:`nnreport.store.dump`."""
    return dump(report)
