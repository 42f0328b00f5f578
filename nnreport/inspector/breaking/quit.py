"""How ``q`` in the debugger ends a script."""

from __future__ import annotations


class DebuggerQuit(KeyboardInterrupt):
    """As Ctrl-C would, so that scripts which save on an interrupt do; nobody needs to see its traceback."""
