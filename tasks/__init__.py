"""SeqIO registrations: each module's `register` returns a task's name."""
