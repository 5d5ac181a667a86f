"""Contends for locks at the server argv[1] as the lines on stdin say: "lock PATH", "write PATH", "read PATH" or "curator PATH" (a Lock
that also minds Curator's names) prints "held" once that is so, "release" lets go and prints "released"."""

import sys

from kazoo.client import KazooClient

client = KazooClient(hosts=sys.argv[1])
client.start()
print("ready", flush=True)
lock = None
for line in sys.stdin:
    word, _, path = line.strip().partition(" ")
    if word == "release":
        lock.release()
        print("released", flush=True)
        continue
    if word == "lock":
        lock = client.Lock(path, "kazoo")
    elif word == "write":
        lock = client.WriteLock(path, "kazoo")
    elif word == "read":
        lock = client.ReadLock(path, "kazoo")
    elif word == "curator":
        lock = client.Lock(path, "kazoo", extra_lock_patterns=["lock-"])
    lock.acquire()
    print("held", flush=True)
client.stop()
