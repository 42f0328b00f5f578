"""The house rules: who may import whom, what the front never imports, and that the packages named are those that exist."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nnreport"
HEAVY = {"torch", "matplotlib", "weasyprint", "jinja2", "torchview", "transformers", "pygraphviz"}


def imported(path: Path) -> set[str]:
    """Modules imported at the top level of a file (not those in functions, nor for type checking)."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def all_imported(path: Path) -> set[str]:
    """Modules imported anywhere in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((PACKAGE / room).rglob("*.py"))]


def test_facts_import_nothing_of_ours():
    for path in files("facts"):
        wrong = {n for n in all_imported(path) if n.startswith("nnreport") and not n.startswith("nnreport.facts")}
        assert not wrong, f"{path.name} imports {wrong}"


def test_checks_know_facts_and_findings_only():
    allowed = ("nnreport.facts", "nnreport.finding", "nnreport.checks", "nnreport.errors")
    for path in files("checks"):
        ours = {name for name in all_imported(path) if name.startswith("nnreport")}
        wrong = {name for name in ours if not name.startswith(allowed) and name != "nnreport"}
        assert not wrong, f"{path.name} imports {wrong}"


def test_renderers_know_no_inspector():
    for path in files("render"):
        wrong = {
            name for name in all_imported(path) if name.startswith(("nnreport.inspector", "nnreport.cli", "nnreport.session"))
        }
        assert not wrong, f"{path.name} imports {wrong}"


def test_the_inspector_knows_neither_checks_nor_pages():
    for path in files("inspector"):
        ours = {name for name in all_imported(path) if name.startswith("nnreport.")}
        wrong = {
            name for name in ours if name.startswith(("nnreport.checks", "nnreport.render", "nnreport.cli", "nnreport.session"))
        }
        assert not wrong, f"{path.name} imports {wrong}"


def test_comparisons_know_reports_and_neither_pages_nor_inspector():
    allowed = ("nnreport.facts", "nnreport.finding", "nnreport.report", "nnreport.compare", "nnreport.checks.registry")
    for path in files("compare"):
        wrong = {name for name in all_imported(path) if name.startswith("nnreport") and not name.startswith(allowed)}
        assert not wrong, f"{path.name} imports {wrong}"


def test_only_the_inspector_imports_torch():
    for path in PACKAGE.rglob("*.py"):
        if "inspector" not in path.parts and path.name != "api.py":
            assert not {name for name in all_imported(path) if name.split(".")[0] == "torch"}, path


@pytest.mark.parametrize("arguments", [["--help"], ["checks"], ["checks", "dead-relu"], ["--version"]])
def test_the_front_answers_without_heavy_imports(arguments):
    code = (
        "import sys\n"
        "from nnreport.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"print('HEAVY', sorted(set(sys.modules) & {HEAVY!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "HEAVY []" in done.stdout


def test_every_package_is_named_in_the_build():
    text = (ROOT / "pyproject.toml").read_text()
    for init in PACKAGE.rglob("__init__.py"):
        name = ".".join(init.parent.relative_to(ROOT).parts)
        assert f'"{name}",' in text, f"{name} is missing from [tool.setuptools] packages"


def test_public_names_are_there():
    import nnreport

    for name in nnreport.__all__:
        assert getattr(nnreport, name) is not None
