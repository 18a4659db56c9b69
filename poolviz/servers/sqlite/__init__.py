"""SQLite databases, which have no server."""
