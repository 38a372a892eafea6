"""Reports: plain frozen values that every view reads and no view computes."""
