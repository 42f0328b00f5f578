"""Paths as the repository knows them, whatever folder the command was run in."""

import json
from pathlib import Path

import pytest

from nnreport.facts import Call, Facts, Graph, Location, Module, Target, Tree
from nnreport.finding import Finding
from nnreport.render import placing
from nnreport.render.github import render
from nnreport.render.places import place_of
from nnreport.render.repository import NOWHERE, here
from nnreport.report import Report


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "model.py").write_text("")
    (tmp_path / "shared.py").write_text("")
    return tmp_path


def test_the_root_is_the_nearest_git(checkout):
    place = here(checkout / "nets", {})
    assert place.root == str(checkout)
    assert place.folder == "nets"
    assert place.path("./model.py") == "nets/model.py"
    assert place.path("shared.py") == "shared.py", "imported from the root, by sys.path"
    assert place.path("gone.py") == "nets/gone.py"
    assert here(checkout, {}).path("nets/model.py") == "nets/model.py"


def test_a_worktree_and_a_submodule(checkout):
    inner = checkout / "vendor" / "sub"
    inner.mkdir(parents=True)
    (inner / ".git").write_text("gitdir: elsewhere")
    (inner / "m.py").write_text("")
    assert here(inner, {}).path("m.py") == "m.py"
    workspace = {"GITHUB_WORKSPACE": str(checkout)}
    assert here(inner, workspace).path("m.py") == "vendor/sub/m.py", "code scanning looks at the repository of the workflow"


def test_a_workspace_without_git_and_a_folder_in_none(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m.py").write_text("")
    assert here(tmp_path / "a", {"GITHUB_WORKSPACE": str(tmp_path)}).path("m.py") == "a/m.py"
    assert NOWHERE.path("a\\m.py") == "a/m.py"


def test_a_target_outside_the_working_directory(checkout):
    (checkout / "tools").mkdir()
    place = here(checkout / "tools", {})
    assert place.path("model.py", "../nets/model.py:Net") == "nets/model.py"
    assert place.path("model.py", "../../model.py:Net") == "tools/model.py", "nothing above the root is named"


def test_links_lead_to_the_head_of_a_pull_request(checkout):
    variables = {"GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "merge", "GITHUB_SERVER_URL": "https://ghe.example"}
    assert here(checkout, variables).base == "https://ghe.example/o/r/blob/merge/"
    event = checkout / "event.json"
    variables["GITHUB_EVENT_PATH"] = str(event)
    event.write_text(json.dumps({"pull_request": {"head": {"sha": "head", "repo": {"full_name": "fork/r"}}}}))
    assert here(checkout / "nets", variables).base == "https://ghe.example/fork/r/blob/head/nets/"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": "head", "repo": None}}}))  # the fork was deleted
    assert here(checkout, variables).base == "https://ghe.example/o/r/blob/merge/"
    assert here(checkout, {}).base == ""


def test_only_formats_that_name_lines_are_told(checkout, monkeypatch):
    monkeypatch.chdir(checkout / "nets")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    assert placing("html") == placing("json") == {}
    assert placing("sarif")["place"].folder == "nets"
    assert set(placing("markdown")) == {"base"}


def test_annotations_stand_in_the_repository(checkout):
    finding = Finding(check="c", severity="error", message="m", location=Location(path="model.py", line=3))
    assert (
        render(Report(findings=[finding]), here(checkout / "nets", {}))
        == "::error file=nets/model.py,line=3,title=nnreport c::m\n"
    )


def test_the_nearest_line():
    def line(number: int, user: bool = True) -> Location:
        return Location(path="m.py" if user else "torch/nn/modules/linear.py", line=number, user=user)

    tree = Tree(
        modules=[
            Module(path="", cls="m.Net", location=line(10)),
            Module(path="block", cls="m.Block", location=line(20)),
            Module(path="block.fc", cls="torch.nn.modules.linear.Linear", location=line(50, user=False)),
        ]
    )
    graph = Graph(calls=[Call(id=0, module="block.act", location=line(33))])
    facts = Facts(tree=tree, graph=graph, target=Target(spec="other.py:Net"))

    def found(module: str | None, location: Location | None = None) -> Location | None:
        return place_of(Finding(check="c", severity="note", message="m", module=module, location=location), facts)

    assert found("block.fc", line(5)) == line(5), "its own"
    assert found("block.act") == line(33), "the line that calls it"
    assert found("block.fc") == line(20), "the class around it"
    assert found("") == line(10), "the model's class"
    assert found(None) == Location(path="other.py", line=1), "the target's file"
    assert place_of(Finding(check="c", severity="note", message="m"), Facts(target=Target(spec="torchvision.models:vgg"))) is None
