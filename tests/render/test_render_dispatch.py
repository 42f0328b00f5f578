"""The suffix chooses the format; a file is there whole or not at all."""

import os
import stat
import sys

import pytest
from sample_reports import small

from nnreport import render
from nnreport.errors import UsageError
from nnreport.finding import Finding
from nnreport.report import Report

STARTS = {
    ".html": b"<!doctype html>",
    ".pdf": b"%PDF-",
    ".json": b"{",
    ".md": b"<!--",
    ".sarif": b"{",
    ".HTML": b"<!doctype html>",
    ".markdown": b"<!--",
}


@pytest.mark.parametrize("suffix", STARTS)
def test_the_suffix_says_what(tmp_path, suffix):
    if suffix == ".pdf":
        pytest.importorskip("weasyprint")
    path = tmp_path / f"report{suffix}"
    render.save(small(), path)
    assert path.read_bytes()[:200].lstrip().lower().startswith(STARTS[suffix].lower())
    assert os.listdir(tmp_path) == [path.name], "nothing else lies there"


@pytest.mark.parametrize("name", ["report.docx", "report", "report.html.gz"])
def test_unknown_suffixes_name_the_known_ones(tmp_path, name):
    with pytest.raises(UsageError) as caught:
        render.save(small(), tmp_path / name)
    for suffix in (".html", ".pdf", ".json", ".md", ".sarif"):
        assert suffix in str(caught.value)
    assert not os.listdir(tmp_path)


def test_half_written_files_are_removed_and_the_old_one_stays(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UsageError, match="No space left on device"):
        render.save(small(), path)
    assert os.listdir(tmp_path) == ["report.json"]
    assert path.read_text() == "old"


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        render.save(small(), tmp_path / "report.json")
    assert not os.listdir(tmp_path)


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be written: No such file"):
        render.save(small(), tmp_path / "nowhere" / "report.json")


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links")
def test_links_and_modes_are_kept(tmp_path):
    os.umask(umask := os.umask(0o022))
    real = tmp_path / "real.json"
    link = tmp_path / "link.json"
    link.symlink_to(real)
    render.save(small(), link)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o666 & ~umask
    real.chmod(0o640)
    render.save(small(), link)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_names_no_file_system_mind(tmp_path):
    path = tmp_path / ("n" * 240 + ".json")
    render.save(small(), path)
    assert path.stat().st_size > 1000


def test_what_a_format_could_not_hold_is_told(tmp_path):
    assert render.save(small(), tmp_path / "a.json") == []
    assert render.save(small(), tmp_path / "a.sarif") == []
    report = Report(findings=[Finding(check="exploding-gradient", severity="note", message="m")])
    (note,) = render.save(report, tmp_path / "a.sarif")
    assert "exploding-gradient" in note


def test_warming_up_never_raises():
    render.warm(["x.html", "y.sarif", "z.unknown", "-"])
