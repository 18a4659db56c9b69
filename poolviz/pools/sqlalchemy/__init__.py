"""SQLAlchemy's pools.

Private names used here, as in SQLAlchemy 2.1.9:
    Pool: _create_connection _creator _dialect _do_get _do_return_conn _invoke_creator
    Pool: _orig_logging_name _pre_ping _recycle _reset_on_return
    QueuePool: _dec_overflow _inc_overflow _max_overflow _overflow _pool _queue_class _timeout
    SingletonThreadPool: _all_conns _conn
    AssertionPool: _checked_out _conn
    AsyncAdaptedQueue: _queue
    PoolProxiedConnection: _connection_record _pool
Private names used here, as in Python 3.11 to 3.13:
    asyncio.Queue: _get _getters _maxsize _queue _wakeup_next
"""
