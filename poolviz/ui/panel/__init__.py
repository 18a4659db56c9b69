"""The side panel: a row for each limit and setting, and the faults."""
