"""The loop of a top for ZooKeeper in Python, as zktop and kazoo's recipes do it: once in --every seconds ask each server
for cons and srvr, parse the lines with regular expressions, compare with the last ones, and draw the busiest clients.

    python3 top.py HOST:PORT,HOST:PORT,... [SECONDS]
"""

import re
import shutil
import socket
import sys
import threading
import time

CONNECTION = re.compile(r"^ ?/(?P<host>.+):(?P<port>\d+)\[(?P<ops>\d+)\]\((?P<fields>.*)\)$")
ZXID = re.compile(r"^Zxid: 0x([0-9a-f]+)$", re.M)
MODE = re.compile(r"^Mode: (\w+)$", re.M)


def ask(server, word):
    host, port = server.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 3) as s:
        s.sendall(word)
        parts = []
        while True:
            data = s.recv(65536)
            if not data:
                return b"".join(parts).decode()
            parts.append(data)


def connections(text):
    found = {}
    for line in text.splitlines():
        match = CONNECTION.match(line)
        if not match:
            continue
        fields = dict(f.split("=", 1) for f in match["fields"].split(",") if "=" in f)
        if "sid" in fields:
            found[match["host"], match["port"], fields["sid"]] = fields
    return found


class Server:
    def __init__(self, address):
        self.address = address
        self.srvr, self.now, self.before, self.at, self.span = "", {}, {}, time.time(), 1.0

    def update(self):
        text, srvr = ask(self.address, b"cons"), ask(self.address, b"srvr")
        at = time.time()
        self.before, self.now = self.now, connections(text)
        self.srvr, self.span, self.at = srvr, at - self.at, at

    def rates(self):
        for key, fields in self.now.items():
            old = self.before.get(key)
            rate = (int(fields["recved"]) - int(old["recved"])) / self.span if old else 0.0
            yield rate, key, fields


def draw(servers):
    width, height = shutil.get_terminal_size()
    out = ["\x1b[H"]
    for s in servers:
        mode, zxid = MODE.search(s.srvr), ZXID.search(s.srvr)
        out.append("%-22s %-10s %-18s %6d\x1b[K\r\n" % (s.address, mode and mode[1], zxid and zxid[1], len(s.now)))
    rows = sorted((row for s in servers for row in s.rates()), key=lambda row: -row[0])
    for rate, (host, port, sid), fields in rows[: height - len(servers) - 2]:
        line = "%-22s %-18s %8.1f %6s %-6s %8s" % (host, sid, rate, fields.get("queued"), fields.get("lop"), fields.get("avglat"))
        out.append(line[:width] + "\x1b[K\r\n")
    sys.stdout.write("".join(out) + "\x1b[J")
    sys.stdout.flush()


def main():
    servers = [Server(a) for a in sys.argv[1].split(",")]
    every = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    while True:
        threads = [threading.Thread(target=s.update) for s in servers]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        draw(servers)
        time.sleep(every)


main()
