"""What a message says where a package of an extra is missing."""


def missing(what: str, extra: str, reason: object) -> str:
    """One line that names the extra.

    It names no command: an index may have another distribution under this one's name.

    :param what: What was asked for, e.g. `"the microphone"`.
    :param extra: The extra that brings it.
    :param reason: What is missing or broken, e.g. the `ImportError`.
    """
    return (
        f"{what} needs the extra {extra!r} of this package ({reason});"
        " its README says how to install extras"
    )
