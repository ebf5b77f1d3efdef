"""JSON over HTTP: one table of operations, from which the routes and the OpenAPI document are made.

table.py has the operations, operations/ what each does: it reads its request, calls one function of the store, the jobs
or the device, and gives back what that gives.
"""
