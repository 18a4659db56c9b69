"""A run whose processes are on several machines, by way of a cluster of Dask's."""
