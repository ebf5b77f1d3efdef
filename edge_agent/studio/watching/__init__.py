"""Watching a line: the agent's records and kept pictures, the figures made of them, and what happens now.

records.py   records, their pictures and people's words
dashboard.py the figures of a time
feed.py      the line now, told to everybody who watches
live.py      the pictures of the last seconds
taking.py    records' pictures as a source of a project's
"""
