"""Callbacks for training frameworks: :func:`nnreport.watch` at the beginning of training, a report at its end.

Each module imports its framework, so it is imported only by those who use it.
"""
