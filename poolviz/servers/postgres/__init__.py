"""PostgreSQL: everything that poolviz asks of such a server."""
