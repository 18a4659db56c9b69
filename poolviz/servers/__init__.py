"""The embedded PostgreSQL, the user's own server, and what a server says of itself."""
