"""psycopg's pool: with pool.connection()."""

import sys

from plain import CLIENTS, STATEMENT, threads
from psycopg_pool import ConnectionPool

with ConnectionPool(sys.argv[1], min_size=CLIENTS) as pool:
    pool.wait()

    def once() -> None:
        with pool.connection() as connection:
            connection.execute(STATEMENT).fetchall()

    threads(once)
