"""`foley fill`: what the effects tracks of a reel lack, for a version without its dialogue (M&E).

seen.py     what is seen to sound, shot by shot
heard.py    what the tracks have: how loud, and when something begins
gaps.py     both -> actions without a sound, and holes in the air where dialogue goes away
missing.py  a reel and its tracks -> the list, and a stem of what is missing
"""
