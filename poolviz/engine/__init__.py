"""Runs a scenario in this process: the pool, its clients, the meter, faults and changes."""
