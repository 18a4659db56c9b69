"""The session file: its format, reading and writing it."""
