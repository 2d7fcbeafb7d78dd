"""Pages for people: plain HTML from the server."""
