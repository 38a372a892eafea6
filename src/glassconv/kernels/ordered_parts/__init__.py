"""Parts of the ordered kernel."""
