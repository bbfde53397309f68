"""Text pieces and one token per (level, code), in one SentencePiece file."""
