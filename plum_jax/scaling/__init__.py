"""The scaling study: a family of sizes, FLOPs, fits, and a prediction."""
