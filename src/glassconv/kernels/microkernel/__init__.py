"""The register tile, the matrix product around it, lowering and epilogues."""
