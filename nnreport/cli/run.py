"""``nnreport run SCRIPT``: the user's own training script, watched."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnreport.cli import report
from nnreport.cli.config import read_config
from nnreport.cli.options import breakpoints, names
from nnreport.job import ScriptJob

if TYPE_CHECKING:
    from nnreport.session import Collector, Listener

SHARED = (
    "outputs", "seed", "budget", "no_pictures", "select", "ignore", "baseline", "fail_on", "format", "title", "author",
    "course", "quiet",
)  # fmt: skip
"""Options that mean the same as on the main command."""

SNAPSHOT, LIVE_SNAPSHOT = 3.0, 1.0
"""Seconds between two states of the run: lest a crash should lose it; for one who looks on."""

EPILOG = """\b
All that follows SCRIPT is the script's own, as with python:
  nnreport run --steps 200 train.py --lr 0.1
  nnreport run -m package.train --lr 0.1
  torchrun --nproc-per-node 2 -m nnreport run train.py
\b
The script runs unchanged: its output, its exit status and its results are as without nnreport. The summary goes to standard
error."""


class RunCommand(click.Command):
    """Takes its defaults from ``[tool.nnreport]``, where they mean the same as on the main command."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if not {"--help", "-h"} & set(args):
            found = read_config(report.command, Path.cwd())
            extra["default_map"] = {name: value for name, value in found.items() if name in SHARED}
        return super().make_context(info_name, args, parent, **extra)


@click.command(
    "run",
    cls=RunCommand,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
)
@click.argument("script", metavar="SCRIPT")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("-m", "--module", is_flag=True, help="SCRIPT is the name of a module, as with python -m.")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Watch N optimizer steps, then let the script go on alone.")
@click.option("--stop", is_flag=True, help="End the script after --steps.")
@click.option(
    "--every",
    type=click.IntRange(1),
    metavar="K",
    help="Look into the model at every K-th step. [default: often at first, rarer later]",
)
@click.option("--live", is_flag=True, help="Serve the growing report on this machine while the script runs.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of --live. [default: any free one]")
@click.option("--tensorboard", metavar="DIR", help="Write the same series for TensorBoard.")
@click.option(
    "--break-on",
    multiple=True,
    metavar="WHAT",
    help="Stop in the debugger at nan, explode, dead, error, forward:PATH, backward:PATH, finding:SLUG or step:N; repeat for "
    "several. Without a terminal it becomes a finding.",
)
@click.option("--no-look", is_flag=True, help="Do not run the model again after the watch: no diagram, no FLOPs, no experiments.")
def command(**options: Any) -> int:
    """Run a training script unchanged, watch how it trains, and write the report of that run: loss, gradients, updates,
    activations, how long the loader makes the model wait, and what is wrong, where, and how to mend it."""
    from nnreport.cli.launchers import check_launcher
    from nnreport.cli.outputs import check_outputs
    from nnreport.ranks import bring_together, hand_over, meeting_place, rank_and_world
    from nnreport.scriptrun import ScriptRun
    from nnreport.session import Collector

    options["select"], options["ignore"] = names(options["select"]), names(options["ignore"])
    check_launcher(options["script"], options["arguments"], options["module"])
    check_outputs(list(options["outputs"]))
    options["break_on"] = breakpoints(options["break_on"])
    if options["stop"] and not options["steps"]:
        raise click.UsageError("--stop ends the script after --steps N; say how many")
    collector = Collector()
    with followers(options, collector) as listeners:
        run = ScriptRun(job_of(options), collector, listeners)
        run.collect()
    for fault in run.faults:
        print(f"nnreport: a fault of nnreport itself while the script ran: {fault}", file=sys.stderr)
    seen = collector.facts.run
    rank, world = rank_and_world()
    if rank:  # the first process makes the report
        hand_over(seen, rank, meeting_place())
        return run.status or 0
    if world > 1 and seen is not None:
        tell_missing(collector, bring_together(seen, world, meeting_place()))
    if not options["quiet"]:
        for line in seen.seen if seen is not None else []:
            print(f"nnreport: {line}", file=sys.stderr)
    worst = report.conclude(collector.facts, list(collector.stages.values()), options, sys.stderr)
    return run.status or worst


def tell_missing(collector: Collector, missing: list[int]) -> None:
    """Notes the processes of a distributed run that told nothing."""
    if missing:
        names = ", ".join(map(str, missing))
        collector.facts.notes.append(
            f"Process {names} told nothing of its run." if len(missing) == 1 else f"Processes {names} told nothing of their runs."
        )


@contextlib.contextmanager
def followers(options: dict[str, Any], collector: Collector) -> Iterator[list[Listener]]:
    """Those who follow the run while it goes on: the live page, TensorBoard."""
    listeners: list[Listener] = []
    with contextlib.ExitStack() as stack:
        if options["tensorboard"]:
            from nnreport.live.tensorboard import TensorBoard

            board = TensorBoard(options["tensorboard"])
            stack.callback(board.close)
            listeners.append(board)
        if options["live"]:
            from nnreport.live.board import Board
            from nnreport.live.server import Server

            page = Board(collector, Path(options["script"]).name, options["select"], options["ignore"])
            server = Server(page, options["port"])
            stack.callback(server.close, "the run has ended")
            print(f"nnreport: live at {server.address}", file=sys.stderr)
            listeners.append(page)
        yield listeners


def job_of(options: dict[str, Any]) -> ScriptJob:
    """The job that the command line's options ask for."""
    return ScriptJob(
        script=options["script"],
        arguments=list(options["arguments"]),
        module=options["module"],
        steps=options["steps"],
        stop=options["stop"],
        every=options["every"] or 0,
        break_on=options["break_on"],
        snapshot=LIVE_SNAPSHOT if options["live"] or options["tensorboard"] else SNAPSHOT,
        probe=not options["no_look"],
        pictures=not options["no_pictures"],
        seed=options["seed"],
        budget=options["budget"],
        command=shlex.join(["nnreport", *sys.argv[1:]]),
    )


command.params += [option for option in report.command.params if option.name in SHARED]
