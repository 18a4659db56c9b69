"""The charts: connections, wait to acquire, throughput, and the overview of the whole session.

Importing this package loads no Qt: `png` says so if its system libraries are missing.
"""
