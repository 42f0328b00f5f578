"""Checks of one group; the registry names it."""
