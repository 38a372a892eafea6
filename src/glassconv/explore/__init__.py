"""The explorer, from Python: a page of one file, a local server, a cell of a notebook."""
