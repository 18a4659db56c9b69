"""The terms that every other part of poolviz uses. Imports nothing else of poolviz."""
