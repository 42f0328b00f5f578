"""The child process of ``nnreport run``, with the checks at hand: the inspector itself knows none.

They are imported when a breakpoint asks for the first time.
"""

from __future__ import annotations

from typing import Any

from nnreport.inspector.watching.__main__ import main


def judge(slug: str, facts: Any) -> tuple[Any, str]:
    """Asks a check; see :func:`nnreport.judge.judge`."""
    import nnreport.judge

    return nnreport.judge.judge(slug, facts)


if __name__ == "__main__":
    main(judge)
