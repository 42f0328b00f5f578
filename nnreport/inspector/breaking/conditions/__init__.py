"""The conditions, one idea a file; :data:`CONDITIONS` names them."""

from __future__ import annotations

from nnreport.inspector.breaking.condition import Condition
from nnreport.inspector.breaking.conditions.dead import Dead
from nnreport.inspector.breaking.conditions.explode import Explode
from nnreport.inspector.breaking.conditions.judged import Judged
from nnreport.inspector.breaking.conditions.nan import NotFinite
from nnreport.inspector.breaking.conditions.passing import Backward, Forward
from nnreport.inspector.breaking.conditions.stepped import Stepped

CONDITIONS: dict[str, type[Condition]] = {
    "nan": NotFinite,
    "explode": Explode,
    "dead": Dead,
    "forward": Forward,
    "backward": Backward,
    "step": Stepped,
    "finding": Judged,
    "error": Condition,
}
"""Kind -> its condition; an exception is handed in by whoever caught it."""
