"""The tests of the libraries for their own pools, run with our resizable classes in their place.

    python -m tests.library_tests                       every library whose sdist carries its tests
    python -m tests.library_tests SQLAlchemy            one of them
    python -m tests.library_tests psycopg-pool SOURCE   from a folder or an sdist with its source

The source is the sdist of the version that is installed, downloaded by pip. What fails is run again
with the library's own class, so that a failure of the library itself, or of this machine, isn't
taken for ours. `libraries.py` lists what can't pass, with the reason; the command fails if anything
else fails, or if something that is listed passes.
"""
