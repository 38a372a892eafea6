"""Reading files that are not trusted: every size is checked before memory is taken for it."""
