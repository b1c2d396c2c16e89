"""MLflow as a projection of files; the only package that talks to it.

projection  files → what a run should hold (needs no MLflow)
publish     send that, now or later
runs        read earlier runs back
"""
