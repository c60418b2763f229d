"""The error that is shown to people."""

MAX_LENGTH = 1000
"""Characters of a message: what it quotes may be of any length."""


class InputError(Exception):
    """Bad input from outside the program.

    The message is one line that says what is wrong, where, and what to do. Commands print it without a
    traceback and exit with code 2; the daemon answers it as `bad_file` or `bad_request`.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines())[:MAX_LENGTH])
