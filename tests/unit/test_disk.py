import errno

import pytest

from megatron_urpo.disk import replacing


def test_what_was_written_takes_the_place(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_on_a_full_disk_what_was_there_stays(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    (tmp_path / "file.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"free some disk space .* '.*/file\.tmp'") as raised:  # noqa: SIM117
        with replacing(path) as temporary:
            temporary.write_text("after")
    assert raised.value.errno == errno.ENOSPC
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
