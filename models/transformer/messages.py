"""Messages about files that may hold anything."""

_MOST_CHARACTERS = 1200


def shortened(message: str) -> str:
    """A message on one line, without the middle of one that is too long to read: a damaged file may hold any text."""
    message, half = " ".join(message.split()), _MOST_CHARACTERS // 2
    return message if len(message) <= 2 * half else f"{message[:half]} ... {message[-half:]}"
