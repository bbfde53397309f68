"""User histories as SeqIO data, and the batches that models train on."""
