"""`gateway doctor`: checks this gateway and its peers, and says what to change on which side.

The checks store nothing, send no images and change no state.
"""
