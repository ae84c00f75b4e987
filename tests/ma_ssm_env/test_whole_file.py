"""Files are there whole or not at all."""

import os

import pytest

from ma_ssm_env.whole_file import replace_file, replaced


def test_text_and_bytes_take_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "new" / "file.json"
    replace_file(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    replace_file(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert [file.name for file in path.parent.iterdir()] == ["file.json"]


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.json"
    replace_file(path, "before")

    def fill():
        with replaced(path) as beside:
            beside.write_text("half")
            assert path.read_text() == "before"
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fill()
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]
    assert path.read_text() == "before"


def test_a_rename_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    replace_file(path, "before")

    def refused(source, target):
        raise PermissionError("no")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError):
        replace_file(path, "after")
    assert [file.name for file in tmp_path.iterdir()] == ["file.json"]
    assert path.read_text() == "before"


def test_the_place_beside_is_found_by_no_suffix_unless_asked(tmp_path):
    with replaced(tmp_path / "record.json") as beside:
        assert list(tmp_path.glob("*.json")) == []
        beside.write_text("{}")
        assert list(tmp_path.glob("*.json")) == []
    with replaced(tmp_path / "video.mp4", suffix=".mp4") as beside:
        assert beside.suffix == ".mp4"
        beside.write_bytes(b"")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["record.json", "video.mp4"]


def test_two_that_write_one_file_at_once_do_not_meet(tmp_path):
    path = tmp_path / "index.json"
    with replaced(path) as first, replaced(path) as second:  # as two threads would
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # it was put in place last
    assert [file.name for file in tmp_path.iterdir()] == ["index.json"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"Not a directory: .*file'$"):
        replace_file(tmp_path / "file" / "x.json", "")
