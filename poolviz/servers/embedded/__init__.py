"""The PostgreSQL server that comes with poolviz."""
