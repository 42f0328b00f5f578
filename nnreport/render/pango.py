"""What a PDF needs of the system, told before any work is done."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import os
import shutil
import sys

LIBRARIES = {
    "linux": ("libgobject-2.0.so.0", "libpango-1.0.so.0", "libharfbuzz.so.0", "libfontconfig.so.1", "libpangoft2-1.0.so.0"),
    "darwin": (
        "libgobject-2.0.0.dylib",
        "libpango-1.0.dylib",
        "libharfbuzz.0.dylib",
        "libfontconfig.1.dylib",
        "libpangoft2-1.0.dylib",
    ),
}
"""What WeasyPrint loads when it is imported, by platform (weasyprint/text/ffi.py)."""
INSTALL = {
    "apt-get": "apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core",
    "dnf": "dnf install -y pango dejavu-sans-fonts",
    "zypper": "zypper install -y libpango-1_0-0 dejavu-fonts",
    "pacman": "pacman -S --noconfirm pango ttf-dejavu",
    "apk": "apk add pango font-dejavu",
}
"""Package manager of a Linux -> its command."""
HOMEBREW = "/opt/homebrew/lib"


def pdf_problem() -> str | None:
    """Why no PDF can be made here and the one command that mends it, or None. Cheap where all is well: 5 ms, not the 0.6 s that
    importing WeasyPrint takes."""
    if importlib.util.find_spec("weasyprint") is None:
        return "a PDF needs WeasyPrint, which is not installed: pip install weasyprint"
    names = LIBRARIES.get(sys.platform)
    if names and all(map(loads, names)):
        return None
    # Another platform, or a library of another name: WeasyPrint itself knows. It prints advice to stdout before it raises.
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import weasyprint  # noqa: F401
    except (ImportError, OSError):
        return f"a PDF needs Pango, which cannot be loaded: {install_command()}"
    return None


def loads(name: str) -> bool:
    """Can the loader find this library?"""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def install_command() -> str:
    """The command that installs Pango on this machine."""
    if sys.platform == "darwin":
        if os.path.exists(f"{HOMEBREW}/libpango-1.0.dylib"):  # there, but a Python that is not Homebrew's does not look there
            return f"it is in {HOMEBREW}, where this Python does not look: export DYLD_FALLBACK_LIBRARY_PATH={HOMEBREW}"
        return "brew install pango"
    if sys.platform == "win32":
        return "winget install MSYS2.MSYS2, then in its shell: pacman -S mingw-w64-ucrt-x86_64-pango"
    sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    command = next((command for program, command in INSTALL.items() if shutil.which(program)), None)
    return sudo + command if command else "install Pango 1.44 or later with your package manager"
