"""``nnreport debug TARGET``: train a model, and stop in the debugger where it goes wrong."""

from __future__ import annotations

import sys
from typing import Any

import click

from nnreport.cli import report
from nnreport.cli.options import breakpoints, names
from nnreport.errors import UsageError

SHARED = (
    "inputs", "outputs", "data", "loss", "optimizer", "weights", "steps", "seed", "device", "budget", "no_pictures", "select",
    "ignore", "title", "author", "course", "quiet",
)  # fmt: skip
"""Options that mean the same as on the main command."""
DEFAULT = "nan"
"""What stops it where nothing is asked for, besides exceptions, which always do."""

EPILOG = """\b
WHAT
  nan               the first operation that emits NaN or an infinity, forward or backward
  explode           a loss or gradient norm beyond its bounds
  dead              a ReLU layer that is zero for a whole batch
  forward:layer2.0  a module is called; * stands for anything, . is the model
  backward:fc1      a gradient comes to a module's output
  finding:SLUG      a check would find something, on what is known so far
  step:100          just before the 100th step
\b
In the debugger show(t) draws a tensor, `tensors` lists those at hand, c goes on, q ends. Each breakpoint stops once. Without a
terminal what happened is printed. The exit status is 1 when something was wrong."""


class DebugCommand(report.ReportCommand):
    """Takes its defaults from ``[tool.nnreport]``, where they mean the same; an output named there is not ours."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        from pathlib import Path

        from nnreport.cli.config import read_config

        if not {"--help", "-h"} & set(args):
            found = read_config(report.command, Path.cwd())
            extra["default_map"] = {name: value for name, value in found.items() if name in SHARED and name != "outputs"}
        return click.Command.make_context(self, info_name, args, parent, **extra)


@click.command("debug", cls=DebugCommand, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target", metavar="TARGET")
@click.option("--break-on", multiple=True, metavar="WHAT", help=f"Where to stop; repeat for several. [default: {DEFAULT}]")
def command(**options: Any) -> int:
    """Train a copy of a model as the report's probe does, and stop in the debugger (ipdb if installed, else pdb) at the moment
    and in the frame where it goes wrong. An exception opens post mortem. A report is written only with -o."""
    from nnreport.breakspec import parse_breaks
    from nnreport.cli.outputs import check_outputs

    options["select"], options["ignore"] = names(options["select"]), names(options["ignore"])
    check_outputs(list(options["outputs"]))
    wanted = breakpoints(options["break_on"] or (DEFAULT,))
    specs = parse_breaks([*wanted, *([] if "error" in wanted else ["error"])])
    job = report.job_of({**options, "no_probe": False, "no_exec": False})
    from nnreport.debugging import debug

    collector, pipeline = debug(job, specs, report=bool(options["outputs"]))
    say(options["quiet"], collector.facts.failures, pipeline)
    if options["outputs"]:
        report.conclude(
            collector.facts,
            list(collector.stages.values()),
            {**options, "fail_on": "never", "baseline": None},
            sys.stderr,
        )
    return 1 if pipeline.faulty else 0


def say(quiet: bool, failures: list[Any], pipeline: Any) -> None:
    """How it ended, in a line."""
    if quiet:
        return
    steps = f"{pipeline.steps:,} step{'' if pipeline.steps == 1 else 's'}"
    if pipeline.breakpoints is None:
        raise UsageError(f"nothing was trained: {reason(failures, pipeline)}")
    if pipeline.quit:
        print(f"nnreport: you left after {steps}", file=sys.stderr)
    elif pipeline.failed:
        print(f"nnreport: ended after {steps}: {pipeline.failed}", file=sys.stderr)
    elif pipeline.breakpoints.hits:
        count = pipeline.breakpoints.hits
        print(f"nnreport: {count} breakpoint{' was' if count == 1 else 's were'} hit in {steps}", file=sys.stderr)
    else:
        losses = pipeline.losses
        moved = f"; the loss went from {losses[0]:.4g} to {losses[-1]:.4g}" if losses else ""
        print(f"nnreport: nothing happened in {steps}{moved}", file=sys.stderr)


def reason(failures: list[Any], pipeline: Any) -> str:
    """Why no step could be made."""
    if failures:
        first = next((line.strip() for line in failures[0].message.splitlines() if line.strip()), "")
        where = f" ({failures[0].location.path}:{failures[0].location.line})" if failures[0].location else ""
        return f"{failures[0].exception}: {first}{where}"
    return pipeline.failed or "there is no module to train"


command.params += [option for option in report.command.params if option.name in SHARED]
