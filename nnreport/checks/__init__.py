"""The checks: one file each, in a folder per group. :mod:`nnreport.checks.registry` finds them, ``runner`` runs them."""
