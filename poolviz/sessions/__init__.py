"""Sessions: recorded as they run, looked at while they do and later, summed up, and exported."""
