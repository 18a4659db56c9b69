"""The vocabulary that every other part of poolviz speaks. Imports nothing of poolviz."""
