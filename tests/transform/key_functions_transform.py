"""Functions of one token, which a graph knows by name."""


def first_letter(token: str) -> str:
    """The key of a token."""
    return token[:1]


def fails(token: str) -> str:
    """A key function with a mistake."""
    raise KeyError(token)
