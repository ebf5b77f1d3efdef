"""Work that takes long, in processes of its own at low priority: what the studio starts, watches and can end."""
