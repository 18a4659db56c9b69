"""A pool that logs when it connects, and can test its idle connections.

Try it:  poolviz run --pool resources/examples/verbose_pool.py:VerbosePool --load clients=4
It needs nothing but psycopg2, so it can be copied into a program of your own.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

import psycopg2
from psycopg2.extensions import connection
from psycopg2.pool import ThreadedConnectionPool

log = logging.getLogger("verbose_pool")
log.setLevel(logging.INFO)
if not log.handlers:
    # To standard error, where diagnostics belong.
    log.addHandler(logging.StreamHandler())


class VerbosePool(ThreadedConnectionPool):
    """psycopg2's threaded pool, which logs each connection that it opens.

    verbose: Whether to log to standard error.
    """

    # poolviz may change these while the pool is in use: `verbose` is a plain attribute, and
    # psycopg2's methods, which apply minconn and maxconn, do so for this class too.
    live_limits = ("minconn", "maxconn", "verbose")

    def __init__(
        self, minconn: int, maxconn: int, *args: Any, verbose: bool = True, **kwargs: Any
    ) -> None:
        # Set first, for psycopg2's constructor connects, through our `_connect`.
        self.verbose = verbose
        super().__init__(minconn, maxconn, *args, **kwargs)

    def _connect(self, key: Any = None) -> connection:
        """Open a connection, as the library does, and log it. Called with `_lock` held."""
        began = perf_counter()
        conn = super()._connect(key)
        if self.verbose:
            milliseconds = (perf_counter() - began) * 1000
            # Nothing of the DSN is logged: it may hold a password.
            log.info("opened backend %d in %.1f ms", conn.info.backend_pid, milliseconds)
        return conn

    def check_connections(self) -> int:
        """Test every idle connection, and close those that are dead; return how many were.

        Those that are being tested count as lent, so the lock isn't held while the server answers.
        """
        with self._lock:
            # psycopg2 lends the one that was given back last, so take all before returning any.
            tested = [self._getconn() for _ in range(len(self._pool))]
        dead = 0
        for conn in tested:
            alive = self._answers(conn)
            dead += not alive
            self.putconn(conn, close=not alive)
        if self.verbose:
            log.info("checked %d idle connections, %d were dead", len(tested), dead)
        return dead

    @staticmethod
    def _answers(conn: connection) -> bool:
        try:
            with conn.cursor() as cursor:
                cursor.execute("SELECT 1")
            conn.rollback()
        except psycopg2.Error:
            return False
        return True
