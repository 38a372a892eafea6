"""What every kernel needs around its machine code: plans, parameters, packed weights."""
