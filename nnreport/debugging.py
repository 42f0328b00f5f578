"""``nnreport debug`` put together: the inspector's training under breakpoints, and the checks that it may ask.

It runs in this process, for the debugger needs the terminal; so this is where the front imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnreport.breakspec import BreakSpec
from nnreport.errors import UsageError
from nnreport.job import Job
from nnreport.session import Collector

if TYPE_CHECKING:
    from nnreport.inspector.breaking.debug import DebugPipeline


def debug(job: Job, specs: list[BreakSpec], report: bool = False) -> tuple[Collector, DebugPipeline]:
    """One session of debugging.

    Args:
        job: as for an inspection.
        specs: the breakpoints.
        report: inspect the model afterwards, for a report.

    Raises:
        UsageError: the target, an input or an option cannot be used.
    """
    from nnreport.inspector.breaking.debug import DebugPipeline
    from nnreport.judge import judge

    collector = Collector()
    pipeline = DebugPipeline(job, specs, collector, collector.facts, judge, report)
    pipeline.run()
    if collector.usage is not None:
        raise UsageError(collector.usage)
    return collector, pipeline
