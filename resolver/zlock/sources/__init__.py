"""The places requirements come from: each yields a `Gathered` for one step."""
