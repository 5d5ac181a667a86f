"""What the commands that read locations answer, computed with kazoo and nothing else.

    python3 reading.py HOST:PORT "VERB ROOT [ARGUMENT]" ...

Each answer ends with a zero byte.
"""

import fnmatch
import re
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError, NoNodeError

client = KazooClient(hosts=sys.argv[1])
client.start()


def walk(path):
    try:
        data, stat = client.get(path)
    except NoAuthError:
        data, stat = None, client.exists(path)
    yield path, data or b"", stat
    try:
        names = client.get_children(path)
    except (NoAuthError, NoNodeError):
        names = []
    for name in sorted(names, key=lambda n: n.encode()):
        yield from walk(path.rstrip("/") + "/" + name)


def base(path):
    return path.rsplit("/", 1)[1] or "/"


def below(path, root):
    return path == root or path.startswith(root.rstrip("/") + "/")


for query in sys.argv[2:]:
    verb, root, argument = (query + "  ").split(" ", 2)
    argument = argument.strip()
    znodes = list(walk(root))
    depth = {path: path.rstrip("/").count("/") - root.rstrip("/").count("/") for path, _, _ in znodes}

    if verb == "name":
        answer = [p for p, _, _ in znodes if fnmatch.fnmatchcase(base(p), argument)]
    elif verb == "larger":
        answer = [p for p, _, s in znodes if s.dataLength > int(argument)]
    elif verb == "children":
        answer = [p for p, _, s in znodes if s.numChildren > int(argument)]
    elif verb == "empty":
        answer = [p for p, _, s in znodes if s.dataLength == 0 and s.numChildren == 0]
    elif verb == "ephemeral":
        answer = [p for p, _, s in znodes if s.ephemeralOwner]
    elif verb == "depth":
        answer = [p for p, _, s in znodes if depth[p] == int(argument)]
    elif verb == "stat":
        answer = [
            f'{{"path":"{p}","czxid":"0x{s.czxid:x}","mzxid":"0x{s.mzxid:x}","ctime":{s.ctime},"mtime":{s.mtime},'
            f'"version":{s.version},"cversion":{s.cversion},"aversion":{s.aversion},"ephemeralOwner":"0x{s.ephemeralOwner:x}",'
            f'"dataLength":{s.dataLength},"numChildren":{s.numChildren},"pzxid":"0x{s.pzxid:x}"}}'
            for p, _, s in znodes
        ]
    elif verb == "acl":
        answer = [p for p, _, _ in znodes if any(f"{a.id.scheme}:{a.id.id}" == argument for a in client.get_acls(p)[0])]
    elif verb == "grep":
        answer = []
        for p, data, _ in znodes:
            if b"\0" in data:
                if re.search(argument.encode(), data):
                    answer.append(f"{p}: binary data matches (a zero byte at offset {data.index(0)})")
                continue
            for line in data.removesuffix(b"\n").split(b"\n"):
                if re.search(argument.encode(), line):
                    answer.append(f"{p}:{line.decode()}")
    elif verb == "du":
        rows = [(p, sum(s.dataLength for q, _, s in znodes if below(q, p))) for p, _, s in znodes if s.numChildren or p == root]
        rows.sort(key=lambda row: row[0].rstrip("/").replace("/", "\0") + "\1")  # children before parents
        answer = [f"{size}\t{p}" for p, size in rows]
    elif verb == "top":
        rows = [(p, sum(s.dataLength for q, _, s in znodes if below(q, p))) for p, _, s in znodes]
        rows.sort(key=lambda row: row[0].rstrip("/").replace("/", "\0") + "\1")
        rows.sort(key=lambda row: -row[1])
        answer = [f"{size}\t{p}" for p, size in rows[: int(argument)]]
    elif verb == "tree":
        answer = [f'{{"path":"{p}","level":{depth[p]},"numChildren":{s.numChildren}}}' for p, _, s in znodes]
    elif verb == "summary":
        levels = [sum(1 for p in depth if depth[p] == n) for n in range(max(depth.values()) + 1)]
        answer = [f'"levels":{str(levels).replace(" ", "")}']
    else:
        sys.exit(f"no verb {verb}")

    sys.stdout.buffer.write("".join(line + "\n" for line in answer).encode() + b"\0")
client.stop()
