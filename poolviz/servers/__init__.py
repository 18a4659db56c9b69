"""The embedded PostgreSQL, and access to PostgreSQL, MySQL, MariaDB and SQLite."""
