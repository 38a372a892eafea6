"""Parts of the implicit_gemm kernel."""
