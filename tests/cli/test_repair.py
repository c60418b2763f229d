"""A recording that was cut off becomes a file that any MCAP software opens."""

from pathlib import Path

import pytest
from mcap.exceptions import McapError
from mcap.reader import make_reader

from streamfit.cli.repair import repair_session
from streamfit.errors import InputError
from streamfit.recording.mcap_file import SessionWriter, read_session


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A recording of 100 messages and the beginning of a chunk."""
    path = tmp_path / "cut.mcap"
    with SessionWriter(path, "cameras", "keypoints", "subject") as writer:
        for i in range(100):
            writer.write("keypoints", b"%d" % i, 10 + i, i)
            writer.write("model/s/0", b"%d" % i, 10 + i, i)
        writer.flush()
        whole = writer.size
        writer.write("keypoints", bytes(1000), 0, 0)
    path.write_bytes(path.read_bytes()[: whole + 30])
    return path


def test_all_that_was_whole_is_in_a_file_with_an_index(cut: Path, tmp_path: Path) -> None:
    before = cut.read_bytes()
    with cut.open("rb") as file, pytest.raises(McapError):
        list(make_reader(file).iter_messages())
    assert repair_session(cut, tmp_path / "whole.mcap") == 200
    assert cut.read_bytes() == before
    session = read_session(tmp_path / "whole.mcap")
    assert session.complete
    assert (session.cameras_toml, session.keypoints_toml, session.subject_toml) == ("cameras", "keypoints", "subject")
    assert list(session.messages()) == list(read_session(cut).messages())
    with (tmp_path / "whole.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == 200
        assert [m.data for _, _, m in reader.iter_messages("keypoints")] == [b"%d" % i for i in range(100)]


def test_nothing_is_overwritten_and_nothing_half_left(cut: Path, tmp_path: Path) -> None:
    whole, full = tmp_path / "whole.mcap", tmp_path / "full.mcap"
    whole.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists already"):
        repair_session(cut, whole)
    assert whole.read_bytes() == b"precious"
    repair_session(cut, full)
    with pytest.raises(InputError, match="is complete: use it as it is"):
        repair_session(full, tmp_path / "again.mcap")
    assert not (tmp_path / "again.mcap").exists()
    with pytest.raises(InputError, match="cannot write"):
        repair_session(cut, tmp_path / "nowhere" / "again.mcap")
