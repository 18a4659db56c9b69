"""The pools that poolviz measures."""
