"""Creates a tree with kazoo, as scripts that import do: one create a call, with data and ACL.

    python3 create.py HOST:PORT ROOT PARENTS CHILDREN

It prints how many znodes a second it made; the start of Python does not count.
"""

import sys
import time

from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE

server, root, parents, children = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
client = KazooClient(hosts=server, timeout=60)
client.start()
start, made = time.monotonic(), 1
client.create(root, b"x", acl=OPEN_ACL_UNSAFE)
for p in range(parents):
    parent = "%s/parent-%04d" % (root, p)
    client.create(parent, b"x", acl=OPEN_ACL_UNSAFE)
    for c in range(children):
        client.create("%s/child-%05d" % (parent, c), b"x", acl=OPEN_ACL_UNSAFE)
    made += 1 + children
print(made / (time.monotonic() - start))
client.stop()
