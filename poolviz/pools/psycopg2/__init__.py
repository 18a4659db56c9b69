"""psycopg2's pools.

Private names used here, as in psycopg2 2.9.13:
    AbstractConnectionPool: _args _connect _getconn _kwargs _pool _putconn _rused _used
    ThreadedConnectionPool: _lock
"""
