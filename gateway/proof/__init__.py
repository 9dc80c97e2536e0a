"""`gateway prove`: kills a real gateway again and again, then shows that nothing was lost or answered twice.

images.py      synthetic radiographs
senders.py     send each image until it is acknowledged, as modalities do
serving.py     the gateway's processes, started, killed and started again
server.py      the PostgreSQL server, killed, too, where that is asked for
plan.py        where and when to kill
injection.py   runs inside the gateway's processes, through armed/sitecustomize.py: kills where it was ordered
archive.py     the Storage SCP at the other end, which keeps the list of what arrived
conduct.py     the experiment
reconcile.py   what senders were told, what the ledger holds and what arrived: one verdict
report.py      the table
"""
