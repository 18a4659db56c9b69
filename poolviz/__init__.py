"""poolviz: a desktop laboratory for Python's database connection pools."""

__version__ = "0.1.0"
