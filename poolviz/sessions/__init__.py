"""Sessions: recording a run, reading it while it goes on and later, its figures and exports."""
