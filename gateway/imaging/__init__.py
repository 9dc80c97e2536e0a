"""SELECT, DECODE, PREPROCESS: from received bytes to the tensor. Pure: no files, sockets, clock or database."""
