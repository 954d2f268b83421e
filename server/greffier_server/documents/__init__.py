"""Documents made of a session: kinds of minutes from templates, drawn in several file formats."""
