"""A kazoo client at argv[1], with the timeout argv[2] in seconds, that does what standard input says. If argv[3] is
"hasty", it takes a lost connection for a lost session."""
import logging
import os
import sys
import threading

from kazoo.client import KazooClient, KazooState

logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("app")
client = KazooClient(hosts=sys.argv[1], timeout=float(sys.argv[2]))


def listener(state):
    log.info("state %s", state)
    if state == KazooState.SUSPENDED and sys.argv[3] == "hasty":
        threading.Thread(target=client.stop).start()


client.add_listener(listener)
client.start(timeout=60)
session = client.client_id[0] & (2**64 - 1)
log.info("session 0x%x", session)
path = "/truth-%x" % session
client.create(path, b"1", ephemeral=True)
print("ready", flush=True)
for line in sys.stdin:
    word = line.strip()
    try:
        if word == "close":
            client.stop()
            client.close()
            break
        if word == "big":
            client.set(path, b"x" * 3_000_000)
        if word == "auth":
            client.add_auth("nosuch", "x")
    except Exception as e:
        log.info("%s: %r", word, e)
os._exit(0)
