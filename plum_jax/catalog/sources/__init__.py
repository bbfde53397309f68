"""Where catalogs come from: one file per publisher's format."""
