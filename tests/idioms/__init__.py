"""Plain scripts, each a few lines as its library's manual says, to hold poolviz against.

Each runs by hand too, until its standard input ends, and prints what became of its operations:

    python tests/idioms/psycopg_pool_connection.py postgresql://user@host/database
"""
