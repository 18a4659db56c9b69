"""What poolviz relies on in other libraries: their private names, and behaviour it departs from.

A failure here says that a new version of a library has changed, not that poolviz is wrong: read
what the library changed before you adapt the adapter and raise the bound.
"""
