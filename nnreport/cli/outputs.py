"""Where a report goes: the files of ``-o``, standard output, and what is said about them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from nnreport.errors import UsageError
from nnreport.report import Report

_LONGEST = 200


def default_output(name: str) -> str:
    """``nnreport-<Name>.html``, with a name that every file system takes (255 bytes at most)."""
    kept = re.sub(r"[^\w.-]+", "_", name).encode()[:_LONGEST].decode(errors="ignore").strip("._")
    return f"nnreport-{kept or 'model'}.html"


def check_outputs(outputs: list[str], formats: Collection[str] = ()) -> None:
    """Nothing fails late: raises :class:`UsageError` now for what could not be written at the end. ``formats``: the known
    suffixes, where they are not those of a report."""
    from nnreport.render import FORMATS

    suffixes = formats or FORMATS
    for output in outputs:
        if output == "-":
            continue
        path = Path(output)
        if path.suffix.lower() not in suffixes:
            known, found = " ".join(suffixes), path.suffix or "none"
            raise UsageError(f"-o {output}: the suffix says what to write, and {found} is not one of {known} (or - for Markdown)")
        if path.is_dir():
            raise UsageError(f"-o {output}: that is a folder; name a file in it")
        if not path.parent.exists():
            raise UsageError(f"-o {output}: there is no folder {path.parent}")
        if path.suffix.lower() == ".pdf":
            from nnreport.render.pdf import pdf_problem

            problem = pdf_problem()
            if problem:
                raise UsageError(f"-o {output}: {problem}")


def write_outputs(report: Report, outputs: list[str], quiet: bool = False, announce: bool = True) -> None:
    """Writes a report to each; see :func:`write_all`."""
    from nnreport.render import placing, save

    def text() -> str:
        from nnreport.render.markdown import render

        return render(report, **placing("markdown"))

    write_all(outputs, text, lambda path: save(report, path), quiet, announce)


def write_all(
    outputs: list[str],
    text: Callable[[], str],
    save: Callable[[Path], list[str]],
    quiet: bool = False,
    announce: bool = True,
) -> None:
    """Writes each, atomically, and says where it lies (on standard error). A format that fails does not cost the others.

    Args:
        outputs: files, and ``-`` for standard output.
        text: gives the Markdown for ``-``.
        save: writes a file, gives what the reader should be told.
        quiet: say nothing.
        announce: say where each lies.
    """
    faults: list[str] = []
    for output in outputs:
        if output == "-":
            if hasattr(sys.stdout, "reconfigure"):  # names in any script, whatever the locale
                sys.stdout.reconfigure(encoding="utf-8")
            sys.stdout.write(text())
            sys.stdout.flush()
            continue
        try:
            for note in save(Path(output)):
                if not quiet:
                    print(f"{output}: {note}", file=sys.stderr)
        except (OSError, UsageError) as error:
            faults.append(f"-o {output}: could not be written: {error}")
        else:
            if announce and not quiet:
                print(f"wrote {output}", file=sys.stderr)
    if faults:
        raise UsageError("; ".join(faults))
