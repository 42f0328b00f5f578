"""TARGET as it is written on the command line, parsed to plain data. Nothing is imported or evaluated here.

::

    TARGET = FILE.py [":" CALL]  |  PACKAGE.MODULE ":" CALL  |  STATE
    CALL   = NAME ["(" LITERALS ")"]          NAME may be dotted: AutoModel.from_pretrained
    STATE  = a .safetensors .pt .pth .bin .ckpt file, an *.index.json of shards, or a folder that holds them
"""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnreport.errors import UsageError

#: Suffixes of files that hold a state dict.
STATE_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")

# The first colon after which a name, and perhaps a call, runs to the end: "C:\\dir\\net.py:Net" splits at the second.
_SPLIT = re.compile(r"(?P<where>.+?):(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*(?P<call>\(.*\))?", re.DOTALL)
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Reference:
    """A named thing in a file or a package: ``model.py:Net(hidden=64)``."""

    text: str
    path: Path | None
    """The Python file, if it is one."""
    module: str
    """The importable package otherwise, else ``""``."""
    name: str
    """Dotted attribute; ``""`` where only a file was given."""
    called: bool = False
    """Parentheses were written."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The file or package as the user wrote it."""
        return str(self.path) if self.path is not None else self.module


@dataclass(frozen=True)
class TargetSpec:
    text: str
    kind: Literal["module", "state"]
    reference: Reference | None = None
    state: Path | None = None


def parse_target(text: str) -> TargetSpec:
    """TARGET's parts. Raises UsageError, one line, where it is no spelling of one (a missing file included)."""
    text = text.strip()
    if not text:
        raise UsageError("TARGET is empty: write a file and a class, e.g. model.py:SimpleNet")
    path = Path(text)
    lower = text.lower()
    if lower.endswith(".pt2"):
        raise UsageError(f"{text}: torch.export archives (.pt2) cannot be read yet: name the Python class, e.g. model.py:Net")
    if lower.endswith((*STATE_SUFFIXES, ".index.json")):
        require_file(path)
        return TargetSpec(text, "state", state=path)
    if lower.endswith(".onnx"):
        raise UsageError(f"{text}: ONNX files cannot be read: name the PyTorch class, e.g. model.py:Net")
    if path.is_dir():
        return TargetSpec(text, "state", state=path)
    return TargetSpec(text, "module", reference=parse_reference(text, "TARGET", need_name=False))


def parse_reference(text: str, option: str, need_name: bool = True) -> Reference:
    """``FILE.py:NAME``, ``package.module:NAME``, either with literals in parentheses.

    ``option`` names what is being parsed in messages (``TARGET``, ``--data``). Raises UsageError.
    """
    text = text.strip()
    found = _SPLIT.fullmatch(text)
    if found is None:
        return _without_name(text, option, need_name)
    where, name, call = found["where"].strip(), found["name"], found["call"]
    args, kwargs = parse_literals(call, f"{name}{call}") if call else ((), {})
    path, module = _place(where, text, option)
    return Reference(text, path, module, name, call is not None, args, kwargs)


def _without_name(text: str, option: str, need_name: bool) -> Reference:
    path = Path(text)
    if text.endswith(".py") or path.is_file():
        require_file(path)
        if need_name:
            raise UsageError(f"{option} {text}: name what to use from the file, e.g. {text}:name")
        if not text.endswith(".py"):
            raise UsageError(f"{text} is neither a Python file nor a state dict ({', '.join(STATE_SUFFIXES)})")
        return Reference(text, path, "", "")
    where, colon, rest = text.rpartition(".py:")
    if not colon and ":" in text:
        where, _, rest = text.partition(":")
    elif colon:
        where += ".py"
    if where:
        if "(" in rest and not rest.rstrip().endswith(")"):
            raise UsageError(f"{option} {text}: a parenthesis is not closed; quote it for the shell: '{where}:Name(size=64)'")
        if not rest.strip():
            raise UsageError(f"{option} {text}: nothing follows the colon; write {where}:Name")
        raise UsageError(
            f"{option} {text}: {rest!r} is no name of a class or function; write {where}:Name or '{where}:Name(size=64)'"
        )
    package, dot, name = text.partition("(")[0].rpartition(".")
    if dot and _DOTTED.fullmatch(f"{package}.{name}") and (name[0].isupper() or "." in package) and not path.exists():
        raise UsageError(
            f"{option} {text}: no such file; a name in a package follows a colon: {package}:{text[len(package) + 1 :]}"
        )
    if path.suffix or "/" in text or "\\" in text:
        require_file(path)
    near = _near_files(Path(text + ".py"))
    hint = f"; did you mean {near}?" if near else ""
    raise UsageError(
        f"{option} {text}: no such file{hint} Write file.py:Name or package.module:Name"
        if near
        else f"{option} {text}: no such file; write file.py:Name or package.module:Name"
    )


def _place(where: str, text: str, option: str) -> tuple[Path | None, str]:
    path = Path(where)
    if where.endswith(".py"):
        require_file(path)
        return path, ""
    if path.is_file():
        raise UsageError(f"{option} {text}: {where} is no Python file (its name does not end in .py)")
    if _DOTTED.fullmatch(where):
        return None, where
    if path.with_name(path.name + ".py").is_file():
        raise UsageError(f"{option} {text}: no such file {where}; did you mean {where}.py:{text.partition(':')[2]}?")
    require_file(path)
    raise UsageError(f"{option} {text}: {where} is neither a Python file nor a package name")


def require_file(path: Path) -> None:
    """Raises UsageError, with near names, unless the file is there."""
    if path.is_file():
        return
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file")
    near = _near_files(path)
    if near:
        raise UsageError(f"no such file: {path}; did you mean {near}?")
    if not path.parent.is_dir():
        raise UsageError(f"no such file: {path} (there is no folder {path.parent} either)")
    raise UsageError(f"no such file: {path}")


def _near_files(path: Path) -> str:
    """Names of files like this one in its folder, for a hint; ``""`` if there are none."""
    try:
        here = [p.name for p in sorted(path.parent.iterdir()) if p.is_file()]
    except OSError:
        return ""
    folded = {name.lower(): name for name in here}
    near = difflib.get_close_matches(path.name.lower(), folded, n=3, cutoff=0.7)
    return " or ".join(str(path.parent / folded[name]) for name in near)


def parse_literals(call: str, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """``(64, act="gelu")`` to arguments. Literals only: nothing is evaluated. Raises UsageError."""
    try:
        tree = ast.parse(f"f{call}", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UsageError(f"cannot read the arguments of {text}: {getattr(error, 'msg', error)}") from None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise UsageError(f'cannot read the arguments of {text}: write one pair of parentheses, e.g. Name(64, act="gelu")')
    args: list[Any] = []
    for node in tree.args:
        if isinstance(node, ast.Starred):
            raise UsageError(f"{text}: *arguments cannot be unpacked here; write them out")
        args.append(_literal(node, ast.unparse(node), text))
    kwargs: dict[str, Any] = {}
    for keyword in tree.keywords:
        if keyword.arg is None:
            raise UsageError(f"{text}: **arguments cannot be unpacked here; write them out")
        if keyword.arg in kwargs:
            raise UsageError(f"{text}: {keyword.arg} is given twice")
        kwargs[keyword.arg] = _literal(keyword.value, f"{keyword.arg}={ast.unparse(keyword.value)}", text)
    return tuple(args), kwargs


def _literal(node: ast.expr, shown: str, text: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    if isinstance(node, ast.Name):
        mend = f'a text needs quotes: {shown.rpartition(node.id)[0]}"{node.id}"'
    else:
        mend = "for anything else write a factory function"
    raise UsageError(f"{text}: {shown} is no literal (numbers, texts, True, None, lists, tuples, dicts); {mend}")
