"""Many certificates at once: a snapshot, engines that spread the work, reports that resume."""
