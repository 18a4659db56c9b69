"""DBUtils: PooledDB.connection, whose connection goes back when it is closed."""

import sys

import psycopg2
from dbutils.pooled_db import PooledDB
from plain import CLIENTS, STATEMENT, threads

pool = PooledDB(psycopg2, CLIENTS, CLIENTS, maxconnections=CLIENTS, blocking=True, dsn=sys.argv[1])


def once() -> None:
    with pool.connection() as connection, connection.cursor() as cursor:
        cursor.execute(STATEMENT)
        cursor.fetchall()


threads(once)
pool.close()
