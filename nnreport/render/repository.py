"""Where a report stands in a repository: what GitHub needs to put a finding on a line.

A report's paths are relative to the working directory. SARIF and annotations want them relative to the repository's root, and
links in a comment want the address of a commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from nnreport.facts import Location, Record


class Place(Record):
    """The working directory in its repository."""

    root: str = ""
    """The repository's root; empty: unknown, and paths stay as they are."""
    folder: str = ""
    """The working directory, relative to the root, with forward slashes; empty: it is the root."""
    blob: str = ""
    """Address of the root at the commit that was looked at, ending in a slash; empty outside of GitHub."""

    def path(self, path: str, target: str = "") -> str:
        """A path of the report, relative to the repository's root.

        Args:
            path: as it stands in a location: relative to the working directory, or to a folder of ``sys.path``.
            target: TARGET as the user wrote it; it tells where a file outside the working directory lies.
        """
        path = path.replace("\\", "/").removeprefix("./")
        if not self.root:
            return path
        root = Path(self.root)
        within = f"{self.folder}/{path}" if self.folder else path
        if not (root / within).is_file():
            file = target.partition(":")[0].replace("\\", "/")
            if file.endswith(".py") and PurePosixPath(file).name == path:
                named = os.path.relpath((root / self.folder / file).resolve(), root).replace(os.sep, "/")
                if not named.startswith("../"):
                    return named
            if (root / path).is_file():
                return path
        return within

    @property
    def base(self) -> str:
        """What a link to a path of the report starts with; the empty string outside of GitHub."""
        return f"{self.blob}{quote(self.folder, errors='replace')}/" if self.blob and self.folder else self.blob


NOWHERE = Place()
"""Outside of any repository."""


def in_repository(location: Location | None) -> bool:
    """Is it a file of the user's, below the working directory or a folder of ``sys.path``?"""
    if location is None or not location.user or not location.path:
        return False
    path = PurePosixPath(location.path.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0] and "<" not in location.path


def here(folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Place:
    """The place of a folder (the working directory): by GitHub's variables, else by the ``.git`` above it."""
    environment = os.environ if environment is None else environment
    folder = Path(os.path.realpath(folder or Path.cwd()))
    root = root_of(folder, environment)
    if root is None:
        return Place()
    relative = folder.relative_to(root).as_posix()
    return Place(root=str(root), folder="" if relative == "." else relative, blob=blob_of(environment))


def root_of(folder: Path, environment: Mapping[str, str]) -> Path | None:
    """The workspace where it is a checkout itself (a submodule has a ``.git`` of its own, and is not what code scanning looks
    at), else the nearest folder with a ``.git``, else the workspace."""
    named = environment.get("GITHUB_WORKSPACE")
    workspace = Path(os.path.realpath(named)) if named else None
    if workspace and not folder.is_relative_to(workspace):
        workspace = None
    if workspace and (workspace / ".git").exists():
        return workspace
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), workspace)


def blob_of(environment: Mapping[str, str]) -> str:
    """``https://github.com/owner/repository/blob/<commit>/``. Of a pull request its head: the merge commit that GitHub checks
    out is gone once the request is closed."""
    repository, commit = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_SHA", "")
    try:
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text("utf-8"))
        head = event["pull_request"]["head"]
        repository, commit = head["repo"]["full_name"], head["sha"]
    except (KeyError, TypeError, OSError, ValueError):
        pass  # no pull request
    if not repository or not commit:
        return ""
    server = environment.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    return f"{server}/{quote(repository)}/blob/{quote(commit)}/"
