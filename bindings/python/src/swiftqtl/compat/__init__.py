"""Other tools' interfaces over this package's scans."""
