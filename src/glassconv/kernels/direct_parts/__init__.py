"""Parts of the direct kernel."""
