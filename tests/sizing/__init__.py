"""Tests of finding the size of a pool."""
