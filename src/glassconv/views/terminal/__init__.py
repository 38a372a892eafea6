"""Reports as text for a terminal of 80 columns; plain when piped."""
