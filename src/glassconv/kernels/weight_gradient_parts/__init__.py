"""Parts of the weight gradient: its parameters, its tasks, and the addition of partial sums."""
