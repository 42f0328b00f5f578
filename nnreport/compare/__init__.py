"""Two reports held against each other: what changed, what did not, and what cannot be told.

Pure functions over two :class:`~nnreport.report.Report`; the result is one record, :class:`~nnreport.compare.records.Comparison`,
which the renderers draw and which a report made with ``--baseline`` carries. No torch, no files, no clock.
"""
