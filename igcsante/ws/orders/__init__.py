"""Orders with a memory: journal, reconciliation, keys and files, batches, renewals, the park."""
