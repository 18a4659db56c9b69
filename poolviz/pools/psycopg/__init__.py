"""psycopg 3's pools."""
