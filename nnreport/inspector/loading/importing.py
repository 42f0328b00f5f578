"""The user's files and packages imported as their own scripts would, and every way that can fail said in one line.

While a file is imported its folder and the working directory come first in ``sys.path``, as for ``python file.py``;
afterwards they stay behind the standard library, so that imports inside ``forward`` still work and a ``queue.py`` of the
user's hides nothing.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nnreport.errors import UsageError
from nnreport.inspector.loading.missing import missing_package
from nnreport.inspector.locate import origin_of, relative_path
from nnreport.inspector.tracebacks import one_line
from nnreport.spec import Reference

_imported: dict[str, types.ModuleType] = {}
"""Real path -> module, so that --data and --loss share the target's."""


def import_reference(reference: Reference) -> types.ModuleType:
    """The Python module that a reference names. Raises UsageError, one line."""
    if reference.path is not None:
        return import_file(reference.path)
    return import_package(reference.module, reference.text)


def resolve(reference: Reference) -> Any:
    """The object that a reference names, not called. Raises UsageError with the names that are there."""
    module = import_reference(reference)
    value: Any = module
    done = ""
    for part in reference.name.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            if value is module and reference.path is None and (inner := _submodule(f"{reference.module}.{part}")) is not None:
                value = inner
                continue
            raise UsageError(no_such_name(value, part, done or reference.where)) from None
        except Exception as error:  # lazy packages import on attribute access
            raise UsageError(_import_line(error, f"{reference.where}:{part}")) from None
        done = f"{done}.{part}" if done else part
    return value


def _submodule(name: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def no_such_name(holder: Any, name: str, where: str) -> str:
    """``model.py has no 'Nte'; did you mean Net? It has the modules Net, Block and the function make.``"""
    from nnreport.inspector.loading.candidates import candidates

    listed, best = "", []
    if isinstance(holder, types.ModuleType):
        there = candidates(holder)
        listed = "" if there.package else there.listed(generators=True)
        best = [*there.classes, *there.functions, *there.instances, *there.generators]
    near = _near(name, best) or _near(name, _public(holder))
    line = f"{where} has no {name!r}" + (f"; did you mean {near}?" if near else "")
    if listed:
        line += f"{'' if near else ';'} {'It' if near else 'it'} has {listed}"
    return line


def _public(holder: Any) -> list[str]:
    """Names it offers; of a file not the modules that it imports."""
    file = isinstance(holder, types.ModuleType) and not hasattr(holder, "__path__")
    there = vars(holder) if file else dict.fromkeys(dir(holder))
    return [name for name, value in there.items() if not name.startswith("_") and not isinstance(value, types.ModuleType)]


def _near(name: str, names: list[str]) -> str:
    folded: dict[str, str] = {}
    for each in names:
        folded.setdefault(each.lower(), each)
    return folded.get(name.lower()) or next(
        (folded[each] for each in difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)), ""
    )


def import_package(name: str, text: str) -> types.ModuleType:
    """``pkg.mod``, the working directory included. Raises UsageError."""
    with importing(Path.cwd()):
        try:
            return importlib.import_module(name)
        except SystemExit as stop:
            raise UsageError(_exit_line(name, stop)) from None
        except ModuleNotFoundError as error:
            top = name.partition(".")[0]
            if error.name == top or (error.name or "").startswith(f"{top}.") or error.name == name:
                if error.name != top:
                    raise UsageError(f"{text}: the package {top} has no module {error.name}") from None
                raise UsageError(f"{text}: {missing_package(top, Path.cwd())}") from None
            raise UsageError(_import_line(error, name)) from None
        except Exception as error:
            raise UsageError(_import_line(error, name)) from None


def import_file(path: Path) -> types.ModuleType:
    """A Python file, once. Its ``if __name__ == "__main__"`` part does not run. Raises UsageError, one line."""
    real = os.path.realpath(path)
    if real in _imported:
        return _imported[real]
    with importing(Path(real).parent):
        try:
            module = _package_member(Path(real)) or _lone_file(Path(real))
        except SystemExit as stop:
            raise UsageError(_exit_line(str(path), stop)) from None
        except Exception as error:
            raise UsageError(_import_line(error, str(path))) from None
    _imported[real] = module
    return module


def _lone_file(path: Path) -> types.ModuleType:
    # a name of its own where the stem is taken (random.py) or would run the script part
    name = path.stem if path.stem.isidentifier() else "".join(c if c.isalnum() else "_" for c in path.stem)
    if name in sys.modules or name in sys.stdlib_module_names or name == "__main__":
        name = f"nnreport_target_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _package_member(path: Path) -> types.ModuleType | None:
    """The file under its dotted name, where it imports from its own package (``from .blocks import X``)."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None  # the import proper says it better
    levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    if not levels:
        return None
    root, parts = path.parent, [path.stem]
    while len(parts) <= max(levels) or (root / "__init__.py").is_file():
        if root.parent == root:
            return None
        parts.insert(0, root.name)
        root = root.parent
    if not all(part.isidentifier() for part in parts):
        return None
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(".".join(parts))


@contextlib.contextmanager
def importing(folder: Path) -> Iterator[None]:
    """``sys.path`` and ``sys.argv`` as the user's own script would see them; what is printed goes to standard error."""
    front = list(dict.fromkeys([str(folder), os.getcwd()]))
    argv, written = sys.argv, sys.dont_write_bytecode
    sys.path[:0] = front
    sys.argv = [str(folder)]
    sys.dont_write_bytecode = True  # the user's folder is left as it is
    importlib.invalidate_caches()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.argv, sys.dont_write_bytecode = argv, written
        for entry in front:
            if entry in sys.path:
                sys.path.remove(entry)
        after = _after_standard_library()
        sys.path[after:after] = [entry for entry in front if entry not in sys.path]


def _after_standard_library() -> int:
    standard = os.path.dirname(os.__file__)
    last = max((i for i, entry in enumerate(sys.path) if entry.startswith(standard) and "-packages" not in entry), default=-1)
    return last + 1


def _exit_line(where: str, stop: SystemExit) -> str:
    code = "" if stop.code is None else repr(stop.code)
    return f'{where} called sys.exit({code}) while it was imported; put what the script does under if __name__ == "__main__":'


def _import_line(error: Exception, where: str) -> str:
    """One line: where it failed, and how to mend it."""
    if isinstance(error, UsageError):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{relative_path(error.filename)}:{error.lineno}: syntax error: {error.msg}"
    line = _user_line(error)
    at = line or where
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{at}: {missing_package(error.name.partition('.')[0], Path(where).parent, error.name)}"
    if isinstance(error, ImportError):
        return f"{at}: {one_line(error)}"
    return f"importing {where} failed{f' at {line}' if line else ''}: {one_line(error)}"


def _user_line(error: BaseException) -> str:
    """``model.py:12``, the user's innermost line; ``""`` if there is none."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if origin_of(frame.f_code.co_filename) == "user":
            return f"{relative_path(frame.f_code.co_filename)}:{number}"
    return ""
