"""`gateway prove`: kills a real gateway again and again, then checks that no image is lost or answered twice.

`gateway prove` and the acceptance tests load this package; nothing else in the gateway imports it.

images.py      computed radiographs
senders.py     senders that repeat each image until it is acknowledged
serving.py     the gateway's processes: started, killed and restarted
server.py      the PostgreSQL server, optionally killed, too
object_store.py  an S3 server, where images and results are to lie in a bucket
plan.py        the kills: victims, points and times
injection.py   carries out orders to kill inside the gateway's processes, through armed/sitecustomize.py
archive.py     the Storage SCP that records the delivered results
conduct.py     the experiment
course.py      what an experiment sends, and the wait for the rest of the work
lane.py        the kills of one role, in order
reconcile.py   compares acknowledgements, ledger and archive
report.py      the table of the findings
"""
