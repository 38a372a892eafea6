"""Parts of the ordered weight gradient."""
