"""Read machine code and measure the machine; generate nothing."""
