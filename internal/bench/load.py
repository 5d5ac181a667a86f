"""Keeps a server busy with kazoo, with requests in flight, and prints the CPU time of each in microseconds.

    python3 load.py HOST:PORT PATH SECONDS
"""

import sys
import threading
import time

from kazoo.client import KazooClient

server, path, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
client = KazooClient(hosts=server, timeout=60)
client.start()
window = threading.Semaphore(32)


def done(result):
    window.release()
    result.get()


count = 0
end = time.monotonic() + seconds
used = time.process_time()
while time.monotonic() < end:
    window.acquire()
    client.get_async(path).rawlink(done)
    count += 1
for _ in range(32):
    window.acquire()
print((time.process_time() - used) / count * 1e6)
client.stop()
