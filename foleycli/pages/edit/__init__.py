"""`foley edit`: the film, its events and the mouse, on a page of this machine only.

session.py  the cue sheet and its journal: every change on disk, undo without end
hearing.py  cues -> samples of any stretch; only what changed is rendered again
film.py     any film as pictures a browser plays to the frame, its own sound, its strip
project.py  what is opened: a clip, a sheet, a recipe, a timeline; looking, rendering
server.py   the address, who may ask, what is asked
page.html, page.css, *.js   the page: the browser's own parts, no build step
"""
