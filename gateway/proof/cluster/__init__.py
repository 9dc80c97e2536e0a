"""`gateway prove --cluster`: the durability proof on many hosts, network namespaces of this machine (Linux).

network.py     a switch, and a cable to each host that can be cut
host.py        a host: process IDs, name and mounts of its own; programs that are started again
postgresql.py  a primary and its standby, and the operator who promotes and rebuilds them
balancer.py    HAProxy before the receivers
clocks.py      hosts whose time of day is wrong
site.py        the whole cluster: addresses, settings, clocks
faults.py      what goes wrong, in which order
lanes.py       carries out the faults while images are under way
conduct.py     the experiment
machine.py     a network and process IDs of the experiment's own, gone with it
"""
