"""The failure of a whole batch."""

from __future__ import annotations

from ..exceptions import SDKError

__all__ = ["BatchException"]


class BatchException(SDKError):
    """A batch that cannot begin or go on, as no recording of it could be transcribed.

    Its output directory cannot be written or is in use, its workers cannot start, a package
    or the credentials are missing. What was transcribed until then is there, and the same
    run goes on with the rest once the reason is gone.
    """
