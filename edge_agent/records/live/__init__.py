"""The pictures of the last seconds, for who watches the line: in shared memory, and only while somebody does.

place.py    the folder that the daemon makes for them
frames.py   how they lie in a worker's file
tap.py      the worker's side
watching.py the side of who watches: asks for pictures, and reads those that have come
"""
