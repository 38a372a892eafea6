"""Pictures, one kind a file: each draws a report and returns a matplotlib figure."""
