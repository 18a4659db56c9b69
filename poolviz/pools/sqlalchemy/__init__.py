"""SQLAlchemy's pools."""
