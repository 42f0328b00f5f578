"""One process of a distributed run: which it is, and what it tells the others."""

from __future__ import annotations

import os

import torch

from nnreport.facts import RankRun, Run
from nnreport.inspector.watching.watcher import Watcher


def rank_and_world() -> tuple[int, int]:
    """(number of this process, number of processes): as the launcher says, else as torch.distributed knows."""
    try:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_initialized()):
            return 0, 1
        rank, world = distributed.get_rank(), distributed.get_world_size()
    return (rank, world) if 0 <= rank < world else (0, 1)


def rank_record(watcher: Watcher, run: Run) -> RankRun:
    """What is compared between processes. The weights are summed in double precision, model after model."""
    total = None
    for model in watcher.models:
        root = model.watch.root()
        if root is None or not model.watch.train_forwards:
            continue
        with torch.no_grad():
            sums = [float(p.detach().double().sum()) for p in root.parameters() if p.numel() and not p.is_meta]
        total = (total or 0.0) + sum(sums)
    return RankRun(
        rank=run.rank,
        steps=run.steps,
        losses=run.losses,
        gradient_norms=run.gradient_norms,
        weights=total,
        step_seconds=run.step_median,
        waited=sum(loader.waited for loader in run.loaders if loader.training),
    )
