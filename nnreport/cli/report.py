"""``nnreport TARGET``: from a model to a report."""

from __future__ import annotations

import shlex
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

import click

from nnreport.cli.config import read_config
from nnreport.cli.main import VERBS
from nnreport.cli.options import Bytes, names
from nnreport.errors import UsageError
from nnreport.facts import Facts, Stage
from nnreport.job import Job
from nnreport.report import Report

EPILOG = """\b
TARGET
  model.py:SimpleNet                  a class, factory function or instance in a file
  model.py                            where the file defines one Module
  model.py:SimpleNet(hidden=64)       with literal arguments
  package.module:Name                 from an importable package
  weights.safetensors, model.pt       a state dict alone: a report of the weights
\b
INPUT
  1,784                               float32 noise of that shape; the first axis is the batch
  1,128:int64[0,30522)                dtype and range
  name=1,3,224,224                    a keyword argument
  @sample.pt                          real data (.pt .npy .npz .safetensors .png .jpg)
\b
Other verbs: """ + "; ".join(f"nnreport {verb} — {line}" for verb, line in VERBS.items())


class ReportCommand(click.Command):
    """Takes its defaults from ``[tool.nnreport]``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        if not {"--help", "-h", "--version"} & set(args):
            extra["default_map"] = read_config(self, Path.cwd())
        return super().make_context(info_name, args, parent, **extra)


@click.command("nnreport", cls=ReportCommand, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target", metavar="TARGET")
@click.option(
    "-i", "--input", "inputs", multiple=True, metavar="SPEC", help="An input of the model (see below); repeat for several."
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Where to; the suffix says what: .html .pdf .json .md .sarif; - prints Markdown. [default: nnreport-<Name>.html]",
)
@click.option(
    "--data",
    metavar="FILE:CALLABLE",
    help="Your data: gives batches (inputs, target), dicts or tensors. [default: one synthetic batch]",
)
@click.option("--loss", metavar="NAME|FILE:CALLABLE", help="Your loss. [default: inferred from the output]")
@click.option("--optimizer", metavar="SPEC|FILE:CALLABLE", help="Like sgd:lr=0.1,momentum=0.9. [default: adam:lr=1e-3]")
@click.option("--weights", metavar="FILE", type=click.Path(), help="Load a checkpoint into the model first.")
@click.option("--steps", type=click.IntRange(1, 100_000), default=30, show_default=True, help="Training steps of the probe.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all that is random.")
@click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:i]|mps|xpu", help="Where the copy is trained."
)
@click.option("--no-probe", is_flag=True, help="Do not train a copy: no loss curve, gradients or timing.")
@click.option("--no-pictures", is_flag=True, help="Draw no sample of what goes in and comes out (private data).")
@click.option(
    "--no-exec", is_flag=True, help="Import nothing of the target's: read its source alone (for code you do not trust)."
)
@click.option(
    "--budget",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Time for short counterfactual runs. [default: about the probe's own time]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="End the inspection after that; the report is made of what was gathered.",
)
@click.option("--memory-limit", type=Bytes(), help="End the inspection above that, e.g. 8GB. [default: what is free]")
@click.option("--select", multiple=True, metavar="SLUG|GROUP", help="Run these checks only.")
@click.option("--ignore", multiple=True, metavar="SLUG|GROUP", help="Leave these checks out.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "new-error", "new-warning", "new-note", "never"]),
    default="never",
    show_default=True,
    help="Exit with 1 when a finding is at least that severe; new-…: and is not in --baseline.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="OLD.json",
    help="Say what changed since that saved report, and mark what is new.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "github"]),
    default="text",
    show_default=True,
    help="What is printed: a summary, or annotations for a GitHub workflow (and the report in the job's summary).",
)
@click.option("--title", default="", help="Title of the report's cover.")
@click.option("--author", default="", help="Author, for the cover of a hand-in.")
@click.option("--course", default="", help="Course, for the cover of a hand-in.")
@click.option("-q", "--quiet", is_flag=True, help="No summary, no progress.")
@click.version_option(package_name="nnreport", prog_name="nnreport")
def command(**options: Any) -> int:
    """Trace a PyTorch model, train a copy of it for a few profiled steps, and write one report: architecture, weights, loss,
    time, memory, and what is wrong with it, where, and how to mend it."""
    from nnreport.cli.outputs import check_outputs

    options["select"], options["ignore"] = names(options["select"]), names(options["ignore"])
    check_outputs(list(options["outputs"]))
    options["since"] = baseline_of(options)
    facts, stages = gather(options)
    return conclude(facts, stages, options)


def conclude(facts: Facts, stages: list[Stage], options: dict[str, Any], summary: TextIO | None = None) -> int:
    """Runs the checks, writes the files, tells of it in the terminal (on ``summary``, else standard output); the exit status."""
    from nnreport.build import build_report
    from nnreport.cli.outputs import default_output, write_outputs

    cover = {name: options[name] for name in ("title", "author", "course")}
    report = build_report(facts, stages, select=options["select"], ignore=options["ignore"], **cover)
    since = options["since"] if "since" in options else baseline_of(options)
    if since is not None:
        from nnreport.compare.compare import compare

        report.comparison = compare(since, report, options["baseline"].name)
    wanted = list(options["outputs"]) or [default_output(report.model.name)]
    write_outputs(report, wanted, quiet=options["quiet"], announce=options.get("style") == "github")
    if options.get("style") == "github":
        from nnreport.cli import github

        github.show(report)
    elif not options["quiet"] and "-" not in wanted:  # what is piped on is the Markdown alone
        from nnreport.render.terminal import show

        show(report, [output for output in wanted if output != "-"], summary)
    if options["fail_on"].startswith("new-"):
        from nnreport.cli.diff import failed

        return failed(report.comparison, options["fail_on"])
    return exit_status(report.worst, options["fail_on"])


def baseline_of(options: dict[str, Any]) -> Report | None:
    """The report to compare with, read before anything is run.

    Raises:
        UsageError: it is no report, or ``--fail-on new-…`` has nothing to compare with.
    """
    if options.get("baseline") is None:
        if options["fail_on"].startswith("new-"):
            raise UsageError(f"--fail-on {options['fail_on']} needs --baseline OLD.json, the saved report that it is new against")
        return None
    from nnreport.store import load

    report = load(options["baseline"])
    report.comparison = None
    return report


def job_of(options: dict[str, Any]) -> Job:
    """The job that the command line's options ask for."""
    same = ("target", "data", "loss", "optimizer", "weights", "steps", "seed", "device", "budget")
    return Job(
        inputs=list(options["inputs"]),
        probe=not options["no_probe"],
        pictures=not options["no_pictures"],
        execute=not options["no_exec"],
        command=shlex.join(["nnreport", *sys.argv[1:]]),
        **{name: options[name] for name in same},
    )


def gather(options: dict[str, Any]) -> tuple[Facts, list[Stage]]:
    """The facts: from the child that runs the model, or from the source alone (``--no-exec``)."""
    job = job_of(options)
    if not job.execute:
        from nnreport.static import read_without_running

        return read_without_running(job)
    from nnreport.cli.progress import listener
    from nnreport.session import Inspection, default_memory_limit

    shown = listener(options["quiet"])
    inspection = Inspection(job, shown, options["timeout"], options["memory_limit"] or default_memory_limit())
    threading.Thread(target=warm_up, args=(options["outputs"],), daemon=True).start()
    with shown:
        collector = inspection.collect()
    return collector.facts, list(collector.stages.values())


def exit_status(worst: str | None, fail_on: str) -> int:
    """1 when the worst finding reaches ``--fail-on``."""
    from nnreport.finding import SEVERITIES

    order = [str(severity) for severity in SEVERITIES]
    return int(worst is not None and fail_on in order and order.index(worst) <= order.index(fail_on))


def warm_up(outputs: tuple[str, ...]) -> None:
    """Imports what will draw the pages while the child imports torch; a missing piece is reported where it is used."""
    import contextlib

    with contextlib.suppress(Exception):
        import nnreport.checks.registry

        nnreport.checks.registry.all_checks()
        import nnreport.render.terminal
        from nnreport.render import warm

        warm(outputs or ("x.html",))
