"""The GitHub action: its metadata, and its scripts run for real in a repository, with a stand-in for ``gh``."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts" / "action"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
PAGE = (ROOT / "docs" / "github.md").read_text("utf-8")
pytestmark = pytest.mark.skipif(not shutil.which("bash") or not shutil.which("git"), reason="needs bash and git")

HEALTHY = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(x)
"""
SICK = HEALTHY.replace("from torch import nn\n", "from torch import nn\nfrom torch.nn import functional as F\n").replace(
    "return self.fc(x)", "return F.dropout(self.fc(x))"
)
GH = """\
#!{python}
# Answers as gh does for the two calls that the script makes, and keeps what it was asked for.
import json, os, subprocess, sys
arguments = sys.argv[1:]
with open(os.environ["GH_LOG"], "a") as log:
    log.write(json.dumps(arguments) + "\\n")
if os.environ.get("GH_FAILS") and arguments[0] == "api":
    sys.exit("HTTP 403: Resource not accessible by integration")
if arguments[:2] == ["pr", "view"]:
    expression = arguments[arguments.index("--jq") + 1]
    sys.exit(subprocess.run(["jq", "-r", expression], input=os.environ["GH_COMMENTS"], text=True).returncode)
body = next(each for each in arguments if each.startswith("body=@"))
with open(body.removeprefix("body=@")) as file, open(os.environ["GH_LOG"] + ".body", "w") as kept:
    kept.write(file.read())
"""


# ------------------------------------------------------------------------------------------------------------- metadata


def shell_steps() -> list[dict]:
    return [step for step in ACTION["runs"]["steps"] if "run" in step]


def test_the_action_is_one_by_githubs_schema():
    pytest.importorskip("check_jsonschema")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", ROOT / "action.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_no_expression_stands_in_a_script():
    assert len(shell_steps()) == 4
    for step in shell_steps():
        assert "${{" not in step["run"], step["name"]
    for script in SCRIPTS.iterdir():
        text = script.read_text()
        assert "${{" not in text
        assert "eval" not in text
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "set -euo pipefail" in text


def test_what_the_steps_hand_over_is_what_the_scripts_read():
    for step in shell_steps():
        for name in re.findall(r"scripts/action/(\w+)\.sh", step["run"]):
            read = set(re.findall(r"\b(?:NNREPORT_[A-Z_]+|GH_TOKEN)\b", (SCRIPTS / f"{name}.sh").read_text()))
            assert read == set(step["env"]), name


def test_every_input_is_used_and_told_of_on_the_page():
    text = (ROOT / "action.yml").read_text("utf-8")
    for name, input in ACTION["inputs"].items():
        assert f"inputs.{name} " in text or f"inputs.{name}}}" in text
        assert input["description"]
        assert f"`{name}`" in PAGE, name
    for name in ACTION["outputs"]:
        assert f"`{name}`" in PAGE, name
    for hook in HOOKS:
        assert hook["id"] in PAGE


def test_workflows_of_the_page_are_workflows(tmp_path):
    pytest.importorskip("check_jsonschema")
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```", PAGE)
    workflows = [block for block in blocks if "jobs:" in block]
    assert workflows
    for i, block in enumerate(blocks):
        assert yaml.safe_load(block)
        if block not in workflows:
            continue
        path = tmp_path / f"{i}.yml"
        path.write_text(block, "utf-8")
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert "pull_request_target" not in block


# ------------------------------------------------------------------------------------------------------------ the report


@pytest.fixture
def repository(tmp_path: Path) -> SimpleNamespace:
    """A clone as a workflow has it: the head is sick, the base was healthy. ``run(**variables)`` runs the report's script."""
    origin, clone, temp = tmp_path / "origin", tmp_path / "clone", tmp_path / "temp dir"
    temp.mkdir()

    def git(*arguments: str, at: Path = origin) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
        return subprocess.run(["git", *identity, *arguments], cwd=at, check=True, capture_output=True, text=True).stdout.strip()

    (origin / "nets").mkdir(parents=True)
    git("init", "-q")
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    (origin / "nets" / "model.py").write_text(HEALTHY)
    git("add", "-A")
    git("commit", "-q", "-m", "base")
    base = git("rev-parse", "HEAD")
    (origin / "nets" / "model.py").write_text(SICK)
    git("commit", "-q", "-a", "-m", "head")
    git("clone", "-q", "--depth=1", origin.as_uri(), str(clone), at=tmp_path)

    def run(**variables: str) -> SimpleNamespace:
        output, summary = tmp_path / "output.txt", tmp_path / "summary.md"
        output.unlink(missing_ok=True)
        summary.unlink(missing_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "NNREPORT_"))}
        environment = {
            **clean,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(temp),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_WORKSPACE": str(clone),
            "NNREPORT_TARGET": "model.py:Net",
            "NNREPORT_ARGUMENTS": "--no-exec\n\n",
            "NNREPORT_BASE": base,
            **variables,
        }
        done = subprocess.run(
            ["bash", SCRIPTS / "report.sh"], cwd=clone / "nets", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        values = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return SimpleNamespace(out=done.stdout, err=done.stderr, values=values, summary=summary, clone=clone, temp=temp)

    return SimpleNamespace(run=run, git=git, origin=origin, clone=clone)


def test_a_report_of_the_head(repository):
    done = repository.run()
    assert done.values["status"] == "0"
    assert done.values["errors"] == "1"
    assert done.values["warnings"] == "0"
    assert "::error file=nets/model.py,line=11,title=nnreport functional-dropout::" in done.out
    for name, start in {"html": "<!doctype html>", "json": "{", "md": "<!-- nnreport model.py:Net -->", "sarif": "{"}.items():
        assert Path(done.values[name]).read_text("utf-8").startswith(start)
    assert '"nets/model.py"' in Path(done.values["sarif"]).read_text()
    assert done.summary.read_text().count("<!-- nnreport") == 1
    assert repository.git("status", "--porcelain", at=repository.clone) == ""


def test_the_base_is_fetched_reported_and_compared_with(repository):
    done = repository.run(NNREPORT_BASELINE="base", NNREPORT_FAIL_ON="new-error")
    assert done.values["status"] == "1", done.err
    assert done.summary.read_text().count("<!-- nnreport") == 1, "the base writes no summary"
    base = json.loads(next(done.temp.glob("nnreport.*/base.json")).read_text())
    assert base["findings"] == []
    assert repository.git("worktree", "list", at=repository.clone).count("\n") == 0, "the second checkout is gone"
    assert repository.git("status", "--porcelain", at=repository.clone) == ""


def test_what_was_there_before_fails_nothing_new(repository):
    head = repository.git("rev-parse", "HEAD")
    done = repository.run(NNREPORT_BASELINE="base", NNREPORT_FAIL_ON="new-error", NNREPORT_BASE=head)
    assert done.values["status"] == "0"
    assert repository.run(NNREPORT_FAIL_ON="error").values["status"] == "1"


@pytest.mark.parametrize("base", ["", "0" * 40], ids=["no pull request", "a commit that is gone"])
def test_without_a_base_it_reports_all_the_same(repository, base):
    done = repository.run(NNREPORT_BASELINE="base", NNREPORT_FAIL_ON="new-error", NNREPORT_BASE=base)
    assert done.values["status"] == "0"
    assert "::notice title=nnreport::" in done.out
    assert "html" in done.values


def test_wrong_usage_is_a_status_and_no_file(repository):
    done = repository.run(NNREPORT_TARGET="gone.py:Net")
    assert done.values == {"status": "2"}
    assert "gone.py" in done.err


@pytest.mark.parametrize(
    "evil",
    ["model.py:Net; touch pwned", "$(touch pwned)", "`touch pwned`", "--version", "model.py:Net\ntouch pwned", "' \" \\ %s"],
)
def test_nothing_of_an_input_is_run(repository, evil):
    names = ("NNREPORT_TARGET", "NNREPORT_INPUTS", "NNREPORT_FAIL_ON", "NNREPORT_BASELINE", "NNREPORT_BASE")
    done = repository.run(**dict.fromkeys(names, evil))
    assert done.values == {"status": "2"}
    assert not list(repository.clone.rglob("pwned"))
    assert not list(done.temp.rglob("pwned"))


# ----------------------------------------------------------------------------------------------------------- the comment

MINE = {
    "url": "https://github.com/o/r/pull/7#issuecomment-41",
    "viewerDidAuthor": True,
    "body": "<!-- nnreport m.py:Net -->\r\nold",
}
OTHERS = {**MINE, "url": "https://github.com/o/r/pull/7#issuecomment-99", "viewerDidAuthor": False}
ANOTHER = {**MINE, "url": "https://github.com/o/r/pull/7#issuecomment-98", "body": "<!-- nnreport m.py:Network -->\nold"}


@pytest.fixture
def comment(tmp_path: Path):
    """Runs the comment's script; gives the calls of ``gh`` and the body it was handed."""
    if not shutil.which("jq"):
        pytest.skip("jq is not installed: nothing can stand in for gh")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(GH.format(python=sys.executable))
    (tools / "gh").chmod(0o755)
    (tmp_path / "report.md").write_text("<!-- nnreport m.py:Net -->\n\n## $(touch pwned) `touch pwned`\n")
    log = tmp_path / "gh.log"

    def run(comments: list[dict], **variables: str) -> SimpleNamespace:
        environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "GH_TOKEN": "t",
            "GH_LOG": str(log),
            "GH_COMMENTS": json.dumps({"comments": comments}),
            "GITHUB_REPOSITORY": "o/r",
            "NNREPORT_MARKDOWN": str(tmp_path / "report.md"),
            "NNREPORT_NUMBER": "7",
            "NNREPORT_ARTIFACT": "",
            **variables,
        }
        log.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", SCRIPTS / "comment.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "pwned").exists()
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        body = Path(f"{log}.body")
        return SimpleNamespace(out=done.stdout, calls=calls, body=body.read_text() if body.exists() else "")

    return run


def test_the_first_comment_is_new(comment):
    done = comment([OTHERS, ANOTHER], NNREPORT_ARTIFACT="https://github.com/o/r/actions/runs/1/artifacts/2")
    assert done.calls[-1][:5] == ["api", "--silent", "--method", "POST", "repos/o/r/issues/7/comments"]
    assert done.body.startswith("<!-- nnreport m.py:Net -->\n")
    assert done.body.endswith("[The whole report as a page](https://github.com/o/r/actions/runs/1/artifacts/2)\n")
    assert "$(touch pwned)" in done.body


def test_the_next_one_replaces_it(comment):
    done = comment([MINE, OTHERS, ANOTHER])
    assert done.calls[-1][:5] == ["api", "--silent", "--method", "PATCH", "repos/o/r/issues/comments/41"]


def test_a_fork_may_not_comment_and_that_is_no_failure(comment):
    done = comment([], GH_FAILS="1")
    assert "::notice title=nnreport::the comment could not be written" in done.out
    assert comment([], NNREPORT_NUMBER="").calls == []
