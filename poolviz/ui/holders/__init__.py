"""Who holds the connections, as a table below the charts."""
