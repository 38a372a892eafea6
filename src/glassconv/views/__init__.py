"""Views: they read reports and show them, in a terminal or as pictures. They convolve nothing."""
