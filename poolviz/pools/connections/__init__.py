"""Connections that count themselves, for each driver, and what faults do to connecting."""
