"""The page where a line is set up, watched and taught, and what stands behind it.

store/    projects, pictures, labels, masks, jobs: files, and SQLite as the index over them
jobs/     training, measuring and importing in processes of their own
access/   who may do what: users, sessions, what a browser has to prove
api/      JSON over HTTP, from one table of operations
pages/    what a person sees; it uses nothing but the API
"""
