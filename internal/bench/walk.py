"""Reads a tree with kazoo, as scripts that export do: data, stat and ACL of each znode, as a line of JSON.

    python3 walk.py HOST:PORT ROOT sync|async
"""

import base64
import json
import sys

from kazoo.client import KazooClient

server, root, how = sys.argv[1:]
client = KazooClient(hosts=server, timeout=60)
client.start()


def show(path, data, stat, acls):
    print(json.dumps({"path": path, "data": base64.b64encode(data or b"").decode(), "version": stat.version, "mzxid": stat.mzxid,
                      "acl": [[a.perms, a.id.scheme, a.id.id] for a in acls]}))


def child(path, name):
    return path.rstrip("/") + "/" + name


def one_by_one(path):
    data, stat = client.get(path)
    acls, _ = client.get_acls(path)
    show(path, data, stat, acls)
    if stat.numChildren:
        for name in sorted(client.get_children(path)):
            one_by_one(child(path, name))


def many_at_once(path):
    level = [path]
    while level:
        below = []
        for at in range(0, len(level), 1000):  # more in flight do not make it faster
            part = level[at:at + 1000]
            asked = [(p, client.get_async(p), client.get_acls_async(p), client.get_children_async(p)) for p in part]
            for p, got, acls, names in asked:
                data, stat = got.get()
                show(p, data, stat, acls.get()[0])
                below += [child(p, name) for name in sorted(names.get())]
        level = below


{"sync": one_by_one, "async": many_at_once}[how](root)
client.stop()
