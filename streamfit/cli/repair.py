"""`streamfit repair`: rewrite a truncated recording as a whole file."""

from pathlib import Path

from streamfit.errors import InputError
from streamfit.recording.mcap_file import SessionWriter, read_session


def repair_session(path: Path, output: Path) -> int:
    """Write the messages of a cut-off recording that can be read into a new, complete file; how many there are.

    Topics, payloads, times and attachments stay as they are. Raises InputError, also where nothing is to be repaired;
    then there is no `output`.
    """
    session = read_session(path)
    if session.complete:
        raise InputError(f"{path} is complete: use it as it is")
    count = 0
    try:
        writer = SessionWriter(output, session.cameras_toml, session.keypoints_toml, session.subject_toml)
        try:
            with writer:
                for message in session.messages():
                    writer.write(*message)
                    count += 1
        except BaseException:
            output.unlink()
            raise
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror or error}; choose another disk") from None
    return count
