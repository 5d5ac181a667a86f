"""Walks a tree with kazoo, as scripts do, and prints the paths whose name, or the lines whose data, fits.

    python3 find.py HOST:PORT name GLOB
    python3 find.py HOST:PORT grep RE
"""

import fnmatch
import re
import sys

from kazoo.client import KazooClient

server, what, pattern = sys.argv[1:]
client = KazooClient(hosts=server, timeout=60)
client.start()
expression = re.compile(pattern.encode()) if what == "grep" else None


def walk(path):
    if what == "name":
        if fnmatch.fnmatchcase(path.rsplit("/", 1)[1] or "/", pattern):
            print(path)
    else:
        data, _ = client.get(path)
        for line in (data or b"").split(b"\n"):
            if line and expression.search(line):
                print(f"{path}:{line.decode()}")
    for name in sorted(client.get_children(path)):
        walk(path.rstrip("/") + "/" + name)


walk("/")
client.stop()
