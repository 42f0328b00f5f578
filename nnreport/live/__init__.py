"""The growing report of a run that goes on: a page on this machine alone, and the same series for TensorBoard."""
