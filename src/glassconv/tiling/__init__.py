"""Arrays larger than memory: tiles with exact halos, and the plan that chooses them."""
