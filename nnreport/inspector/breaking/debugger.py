"""The debugger: ipdb's where it is installed, else pdb, opened in the user's own frame."""

from __future__ import annotations

import builtins
import importlib.util
import sys
from bdb import BdbQuit
from collections.abc import Iterator
from contextlib import contextmanager
from pdb import Pdb
from types import FrameType
from typing import TYPE_CHECKING, Any

from nnreport.facts import Break
from nnreport.inspector.breaking.draw import show
from nnreport.inspector.breaking.frames import innermost, is_loop, outermost_user_frame
from nnreport.inspector.breaking.hit import Here, Hit
from nnreport.inspector.breaking.quit import DebuggerQuit
from nnreport.inspector.breaking.tensors import at_hand, table
from nnreport.inspector.locate import origin_of

if TYPE_CHECKING:
    from nnreport.inspector.breaking.breakpoints import Breakpoints
    from nnreport.inspector.breaking.condition import Condition

HELP = (
    "show(t) draws a tensor, `tensors` lists those of this frame, here.… holds the values above.\n"
    "c goes on ({once}); q ends the script, and what was seen is still reported."
)


def has_terminal() -> bool:
    """Somebody can read and type."""
    try:
        return sys.__stdin__ is not None and sys.__stdout__ is not None and sys.__stdin__.isatty() and sys.__stdout__.isatty()
    except ValueError:  # closed
        return False


def base_class() -> type[Pdb]:
    """ipdb's debugger where it is installed."""
    if importlib.util.find_spec("ipdb") is not None:
        try:
            from IPython.terminal.debugger import TerminalPdb

            found: type[Pdb] = TerminalPdb
            return found
        except Exception:  # half installed
            return Pdb
    return Pdb


class Console:
    """What the user sees at a stop, and the debugger that goes with it; one for the whole run, so that stepping goes on."""

    def __init__(self, breakpoints: Breakpoints) -> None:
        self.breakpoints = breakpoints
        self.condition: Condition | None = None
        self.here = Here({})
        made: Any = make_debugger(base_class())
        self.debugger = made(self)

    def open(self, condition: Condition, hit: Hit, record: Break, frame: FrameType | None) -> Any:
        """Says what happened, and hands over. Gives the trace function where the user goes on step by step, else None.

        Raises:
            DebuggerQuit: the user typed ``q``.
        """
        self.condition, self.here = condition, Here(hit.here)
        print("\n".join(banner(record)), flush=True)
        if hit.error is not None:
            self.debugger.post_mortem(hit.error)
            return None
        return self.debugger.open(frame)

    @contextmanager
    def prompt(self) -> Iterator[None]:
        """While the prompt is there: the helpers can be called by name, and nothing that is run is watched."""
        names: dict[str, Any] = {"show": show, "here": self.here}
        kept = {name: getattr(builtins, name) for name in names if hasattr(builtins, name)}
        with self.breakpoints.paused():
            vars(builtins).update(names)
            try:
                yield
            finally:
                for name in names:
                    if name in kept:
                        setattr(builtins, name, kept[name])
                    elif hasattr(builtins, name):
                        delattr(builtins, name)

    def again(self) -> str:
        """The breakpoint of this stop stops once more."""
        if self.condition is None:
            return "no breakpoint has stopped here"
        self.condition.armed = True
        return f"{self.condition.spec.text} will stop again"

    def off(self, what: str) -> str:
        """Breakpoints that are still to come are disabled: one, or all."""
        gone = [c for c in self.breakpoints.conditions if c.armed and what in ("", c.spec.text)]
        for condition in gone:
            condition.armed = False
        if gone:
            return f"disabled: {', '.join(c.spec.text for c in gone)}"
        left = ", ".join(c.spec.text for c in self.breakpoints.conditions if c.armed)
        return f"there is no {what!r} to disable; armed: {left or 'none'}" if what else "none is armed"


def banner(record: Break) -> list[str]:
    """The lines above the prompt."""
    where = f" — {record.location.path}:{record.location.line}" if record.location else ""
    steps = f"after {record.step:,} optimizer step{'' if record.step == 1 else 's'}"
    lines = ["", f"nnreport: {record.what}: {record.text}", f"  {steps}{where}"]
    if record.made is not None and record.made.line:
        lines.append(f"  from {record.made.path}:{record.made.line}: {record.made.text}")
    once = "it ends there"
    if record.kind != "error":
        once = "this one does not stop again; `again` arms it once more, `off` disables all others"
    return [*lines, *table(record.tensors), HELP.format(once=once)]


def make_debugger(base: type[Pdb]) -> type[Pdb]:
    """The class: ``base`` with our ways in and out, and our commands."""

    class Debugger(base):  # type: ignore[valid-type, misc]
        def __init__(self, console: Console) -> None:
            super().__init__(nosigint=True)
            self.console = console
            self.stepping = self.quitting = False
            self.wanted: FrameType | None = None

        # ------------------------------------------------------------------------------------------- in and out

        def open(self, frame: FrameType | None) -> Any:
            """The prompt at ``frame``, now."""
            if frame is None:
                return None
            self.reset()
            self.botframe = outermost_user_frame(frame)
            each: FrameType | None = frame
            while each is not None:
                each.f_trace = self.trace_dispatch
                if each is self.botframe:
                    break
                each = each.f_back
            self.stepping = False
            self.interaction(frame, None)
            self.leave_if_asked()
            if self.stepping or self.breaks:
                sys.settrace(self.trace_dispatch)
                return self.trace_dispatch
            self.forget_traces(frame)
            return None

        def post_mortem(self, error: BaseException) -> None:
            """The prompt at the user's innermost frame of a traceback."""
            self.reset()
            trace = error.__traceback__
            found = innermost(trace)
            self.wanted = found[0] if found is not None else None
            try:
                self.interaction(None, trace)
            finally:
                self.wanted = None
                sys.settrace(None)
            self.leave_if_asked()

        def leave_if_asked(self) -> None:
            if self.quitting:
                self.quitting = False
                sys.settrace(None)
                raise DebuggerQuit

        def forget_traces(self, frame: FrameType | None) -> None:
            """No frame of the user's is traced any more."""
            while frame is not None:
                if frame.f_trace is not None:
                    frame.f_trace = None
                frame = frame.f_back

        def trace_dispatch(self, frame: FrameType, event: str, arg: Any) -> Any:
            try:
                return super().trace_dispatch(frame, event, arg)
            except BdbQuit:
                sys.settrace(None)
                self.quitting = False
                raise DebuggerQuit from None

        def setup(self, f: Any, tb: Any) -> Any:
            answer = super().setup(f, tb)
            if self.wanted is not None:
                for index, (frame, _) in enumerate(self.stack):
                    if frame is self.wanted:
                        self.curindex, self.curframe = index, frame
                        self.curframe_locals = frame.f_locals
            return answer

        def stop_here(self, frame: FrameType) -> bool:
            """Steps stop in the user's code and in packages, not in torch, the standard library or here."""
            code = frame.f_code
            if origin_of(code.co_filename) in ("torch", "other") and not is_loop(frame) and frame is not self.botframe:
                return False
            return bool(super().stop_here(frame))

        def interaction(self, frame: Any, tb_or_exc: Any) -> None:
            with self.console.prompt():
                super().interaction(frame, tb_or_exc)

        def set_continue(self) -> None:
            super().set_continue()
            self.stepping = False
            if self.botframe is not None and not self.breaks:
                self.botframe.f_trace = None

        def set_step(self) -> None:
            super().set_step()
            self.stepping = True

        def set_next(self, frame: Any) -> None:
            super().set_next(frame)
            self.stepping = True

        def set_return(self, frame: Any) -> None:
            super().set_return(frame)
            self.stepping = True

        def set_until(self, frame: Any, lineno: Any = None) -> None:
            super().set_until(frame, lineno)
            self.stepping = True

        # --------------------------------------------------------------------------------------------- commands

        def do_show(self, arg: str) -> None:
            """show t | show(t, "numbers" | "map" | "histogram")
            Draws a tensor with characters."""
            call = arg if arg.startswith("(") else f"({arg})"
            space = {**self.curframe.f_globals, "_nnreport_show": show}
            try:
                eval(f"_nnreport_show{call}", space, self.curframe_locals)
            except Exception as error:
                self.error(f"{type(error).__name__}: {error}")

        def do_tensors(self, arg: str) -> None:
            """tensors
            Lists the tensors of the current frame: name, type, range, values that are not finite."""
            lines = table(at_hand(vars(self.console.here), self.curframe))
            self.message("\n".join(lines) if lines else "no tensor in this frame")

        def do_again(self, arg: str) -> None:
            """again
            The breakpoint that stopped here stops once more."""
            self.message(self.console.again())

        def do_off(self, arg: str) -> None:
            """off [WHAT]
            Disables a breakpoint that is still to come, or all of them."""
            self.message(self.console.off(arg.strip()))

    return Debugger
