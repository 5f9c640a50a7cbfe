"""One BLAS thread around loops over small matrices.

numpy and scipy each load an OpenBLAS of their own; on few cores their two pools wait for one another, and a
loop over small matrices takes up to twelve times as long. Finding the libraries takes milliseconds, setting
their thread counts microseconds: the search is made once.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController

# The controller knows the libraries that are loaded when it is made; both are by now.
_LIBRARIES = ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which every BLAS library of numpy and scipy uses one thread.

    Examples
    --------
    >>> from dynsym._threads import one_blas_thread
    >>> with one_blas_thread():
    ...     pass
    """
    return _LIBRARIES.limit(limits=1, user_api="blas")
