"""The version of poolviz."""

VERSION = "0.1.0"
