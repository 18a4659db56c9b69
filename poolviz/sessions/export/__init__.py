"""Exporting a recorded session: a file a format, found by the suffix of the file to write."""
