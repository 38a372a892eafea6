"""Compare outputs with the definition in float64, each element within its proven bound."""
