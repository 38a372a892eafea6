"""What optimized networks report: their passes, their plan's steps, times, memory and errors."""
