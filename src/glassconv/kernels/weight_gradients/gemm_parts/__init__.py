"""Parts of the weight's gradient as a matrix product."""
