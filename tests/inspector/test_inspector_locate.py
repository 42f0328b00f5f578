"""Whose line it is, and a path that gives nothing away."""

import collections
import json
import os
import sys
from pathlib import Path

import torch
from torch import nn

from nnreport.inspector import locate
from sample_models.simple_net import SimpleNet


def test_origins():
    assert locate.origin_of(__file__) == "user"
    assert locate.origin_of(nn.__file__) == "torch"
    assert locate.origin_of(json.__file__) == "other"
    assert locate.origin_of(locate.__file__) == "other"
    assert locate.origin_of("<string>") == "other"
    assert locate.origin_of("<ipython-input-3-abc>") == "user"
    import numpy

    assert locate.origin_of(numpy.__file__) == "package"


def test_paths_are_never_absolute(tmp_path, monkeypatch):
    assert locate.relative_path(nn.__file__) == "torch/nn/__init__.py"
    assert locate.relative_path(collections.__file__) == "collections/__init__.py"
    monkeypatch.chdir(tmp_path)
    locate.relative_path.cache_clear()
    (tmp_path / "deep").mkdir()
    assert locate.relative_path(str(tmp_path / "deep" / "net.py")) == "deep/net.py"
    outside = str(tmp_path.parent / "elsewhere" / "net.py")
    assert locate.relative_path(outside) == "net.py"
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path.parent)])
    locate.relative_path.cache_clear()
    assert locate.relative_path(outside) == "elsewhere/net.py"
    locate.relative_path.cache_clear()


def test_classes():
    found = locate.class_location(SimpleNet)
    assert (found.path, found.user, found.text) == ("sample_models/simple_net.py", True, "class SimpleNet(nn.Module):")
    found = locate.class_location(nn.Linear)
    assert (found.path, found.user, found.text) == ("torch/nn/modules/linear.py", False, "class Linear(Module):")
    assert locate.class_location(int) is None
    made = type("Made", (nn.Module,), {"__module__": "nowhere"})
    assert locate.class_location(made) is None


def test_two_classes_of_one_name():
    class Twin:
        first = True

    first = Twin

    class Twin:
        first = False

    lines = Path(__file__).read_text().splitlines()
    found = locate.class_location(first)
    assert lines[found.line - 1].strip() == "class Twin:"


def test_frames_of_a_traceback_are_the_users():
    def inner():
        return torch.zeros(2) @ torch.zeros(3, 3)

    try:
        nn.Sequential()(inner())
    except RuntimeError as error:
        frames = locate.traceback_frames(error.__traceback__)
    assert [frame.location.text for frame in frames] == ["nn.Sequential()(inner())", "return torch.zeros(2) @ torch.zeros(3, 3)"]
    assert all(not os.path.isabs(frame.location.path) for frame in frames)
