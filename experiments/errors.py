"""The ways in which a command ends early without being broken."""


class RequestError(ValueError):
    """A request that cannot be met. The command prints the message as one line and exits with status 2."""


class Stopped(BaseException):
    """The user or the system asked the run to stop (SIGINT, SIGTERM); what is finished is kept.

    Not an `Exception`: code that survives failures must not swallow it. `status` is the exit status of the command: 1,
    or 128 and the number of the signal where a run says so.
    """

    def __init__(self, message: str = "", *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class RunFailed(RuntimeError):
    """A run that cannot go on, for a reason that it knows. One line, exit status 1, no traceback."""
