"""Kinds of option values: sizes in bytes, and names of checks."""

from __future__ import annotations

import click

from nnreport.errors import UsageError


class Bytes(click.ParamType):
    """A size: ``8GB``, ``500M``, ``1.5GiB``, or bytes."""

    name = "SIZE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip().lower().removesuffix("b").removesuffix("i")
        factor = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}.get(text[-1:], 1)
        if "i" in str(value).lower():
            factor = {10**3: 2**10, 10**6: 2**20, 10**9: 2**30, 10**12: 2**40}.get(factor, factor)
        try:
            size = int(float(text.rstrip("kmgt")) * factor)
        except ValueError:
            size = 0
        if size <= 0:
            self.fail(f"{value!r} is no size; write 8GB, 500MB or a number of bytes", param, ctx)
        return size


def breakpoints(values: tuple[str, ...]) -> list[str]:
    """The breakpoints of ``--break-on``, each checked.

    Raises:
        UsageError: one that does not exist.
    """
    from nnreport.breakspec import parse_breaks

    slugs = None
    if any("finding:" in value for value in values):
        from nnreport.checks.registry import all_checks

        slugs = [check.slug for check in all_checks()]
    return [spec.text for spec in parse_breaks(values, slugs)]


def names(values: tuple[str, ...]) -> list[str]:
    """Comma lists flattened; every name must be a check or a group.

    Raises:
        UsageError: an unknown name.
    """
    flat = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if flat:
        from difflib import get_close_matches

        from nnreport.checks.registry import all_checks

        known = {check.slug for check in all_checks()} | {check.group for check in all_checks()}
        for name in flat:
            if name not in known:
                near = get_close_matches(name, known, 1)
                raise UsageError(
                    f"there is no check or group {name!r}"
                    + (f"; did you mean {near[0]!r}?" if near else "; `nnreport checks` lists them")
                )
    return flat
