"""The tutorial, and the numbers that figures are drawn with."""
