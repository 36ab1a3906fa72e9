"""One BLAS thread, for processes of our own: the server, its workers, the command line.

The models here multiply small matrices. Two BLAS threads gain nothing on them, and wait for each other by spinning:
on a busy machine that made one training of two seconds take two minutes. A library call (``ebm_plugins.run``) leaves
the caller's threads alone.
"""

from __future__ import annotations


def one_thread() -> None:
    """Let the BLAS of this process use one thread from now on."""
    import numpy  # noqa: F401  (its BLAS must be loaded to be limited)
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")
