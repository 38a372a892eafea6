"""A plan: the steps of a network, where its values are in memory, and running them."""
