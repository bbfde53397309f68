"""From item embeddings to Semantic IDs: tokenizer, SID table, quality."""
