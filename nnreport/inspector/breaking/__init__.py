"""Breakpoints: conditions that are looked at while a script trains, and the debugger that opens where one comes true.

:mod:`.breakpoints` hears what the watch hears, puts the hooks that the conditions need, and stops; a condition says when and why;
:mod:`.debugger` opens in the user's own frame; without a terminal a record of the same is all that happens.
"""
