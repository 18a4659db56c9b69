"""psycopg 3's pools.

Private names used here, as in psycopg-pool 3.3.3:
    BasePool: _check_open_getconn _growing _max_size _min_size _nconns _nconns_min _pool
    BasePool: _set_connection_expiry_date _waiting
    ConnectionPool: _add_connection _add_to_pool _close_connection _connect _get_ready_connection
    ConnectionPool: _lock _maybe_close_connection _maybe_grow_pool _pool_full_event
    ConnectionPool: _reset_connection _return_connection
    AsyncConnectionPool: _add_connection _add_to_pool _close_connection _connect
    AsyncConnectionPool: _maybe_close_connection _maybe_grow_pool _pool_full_event
    AsyncConnectionPool: _reset_connection _return_connection
    ShrinkPool: _run
    Connection: _created_at _expire_at
"""
