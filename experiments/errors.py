"""The two ways in which a command ends early without being broken."""


class RequestError(ValueError):
    """A request that cannot be met. The command prints the message as one line and exits with status 2."""


class Stopped(BaseException):
    """The user or the system asked the run to stop (SIGINT, SIGTERM); what is finished is kept.

    Not an `Exception`: code that survives failures must not swallow it.
    """
