"""The exceptions that nnreport raises.

::

    NNReportError
    └── UsageError      the target, an input or an option cannot be used: exit status 2
"""

from __future__ import annotations


class NNReportError(Exception):
    """Base of all."""


class UsageError(NNReportError):
    """Something that the user wrote cannot be used. The message is one line: what was found, and how to mend it."""
