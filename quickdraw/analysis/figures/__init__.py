"""Pictures of a sweep, of two of its runs, and of an adaptive search; each function returns a matplotlib figure."""
