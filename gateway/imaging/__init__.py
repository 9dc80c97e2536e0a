"""SELECT, DECODE, PREPROCESS: from a data set to the tensor. Pure: no files, sockets, clock or database."""
