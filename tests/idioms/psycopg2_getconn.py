"""psycopg2's pool: getconn, commit, putconn, which rolls back what an error left."""

import sys

from plain import CLIENTS, STATEMENT, threads
from psycopg2.pool import ThreadedConnectionPool

pool = ThreadedConnectionPool(CLIENTS, CLIENTS, sys.argv[1])


def once() -> None:
    connection = pool.getconn()
    try:
        with connection.cursor() as cursor:
            cursor.execute(STATEMENT)
            cursor.fetchall()
        connection.commit()
    finally:
        pool.putconn(connection)


threads(once)
pool.closeall()
