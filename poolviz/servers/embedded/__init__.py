"""The PostgreSQL that poolviz brings along."""
