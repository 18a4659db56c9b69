"""A run's metrics for monitoring systems while it goes on: read by Prometheus, or pushed by OTLP.

They are made from the record, in the process of the command: whoever asks for them costs the load
nothing, and nothing that goes wrong here ends a run.
"""
