"""A sound goes in; a rough picture that hits where the sound hits comes out: Foley turned round."""
